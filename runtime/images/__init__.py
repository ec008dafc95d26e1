"""Images: what a container's root is made of, and where it comes from. Knows no container and no
Compose file. Read front.py first: the door that the engine uses.

Of what is kept: store.py has names, rows and collection, blobs.py the bytes as they came,
unpacking.py makes layers of them, with streams.py, tar_reader.py and layers.py as its steps.
Of registries: remote.py runs in a thread what pull.py and push.py do; access.py knows who we are
and where a name leads, registry.py what is asked there, http_client.py how the bytes go,
following.py how they are unpacked meanwhile.
"""
