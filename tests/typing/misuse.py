# Never run: type checkers must find fault with the marked lines, and with no others.
import numpy as np

import imgcrypt

image = np.zeros((4, 4, 3), np.uint8)
key = imgcrypt.Key.generate()
blob = imgcrypt.encrypt(image, key)

imgcrypt.encrpyt(image, key)  # error
imgcrypt.encrypt(image)  # error
imgcrypt.encrypt(image, "secret")  # error
imgcrypt.encrypt(image, key, "hybrid")  # error
imgcrypt.encrypt(image, key, suite="hybird")  # error
imgcrypt.encrypt(image, key, provider="gpu")  # error
imgcrypt.encrypt(image, key, rate="0.1")  # error
imgcrypt.encrypt(image, key, lossless="no")  # error
imgcrypt.encrypt("photo.png", key)  # error
imgcrypt.decrypt("photo.png.imgc", key)  # error
imgcrypt.decrypt(blob, None)  # error
print(imgcrypt.decrypt(blob, key).shpae)  # error
print(imgcrypt.inspect(blob).widht)  # error
imgcrypt.Key.genarate()  # error
text: str = imgcrypt.encrypt(image, key)  # error
