def tell(uow):
    return []
