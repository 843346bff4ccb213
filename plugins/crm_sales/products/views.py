def register(blueprint):
    return blueprint
