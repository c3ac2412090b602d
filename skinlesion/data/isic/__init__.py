"""The ISIC Archive and its challenges, fetched politely: the only data code that opens sockets."""
