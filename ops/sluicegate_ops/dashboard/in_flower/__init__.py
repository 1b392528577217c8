"""The pages inside Flower, whose inside they lean on in five points: a test names each.

loading       templates: ours, and Flower's with our tab in its navigation
handlers      a page, and the files that pages load
install       puts them into Flower before it builds its application
flowerconfig  what Flower runs as its configuration; it calls ``install``
"""
