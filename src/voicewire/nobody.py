"""Whom objects tell that have let go of those whom they told."""


def nobody(*_: object, **__: object) -> None:
    """Hear what is for nobody any more.

    Stands in the place of a callback that is over. Two objects that know each other outlive their
    use until the garbage collector looks, which stops everybody; so whoever has ended lets go.
    """
