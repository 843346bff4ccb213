def over_record(uow, entity, record, **context):
    return ""
