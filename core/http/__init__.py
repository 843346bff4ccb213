"""What pages and REST share: who asks, what a route demands, how a refusal looks, rendering."""
