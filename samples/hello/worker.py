"""Visits the web service by its name, once every few seconds, as a second container does."""

import time
import urllib.request

while True:
    text = urllib.request.urlopen("http://web:8000/").read().decode()
    print(text.splitlines()[-1])
    time.sleep(5)
