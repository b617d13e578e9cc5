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
me = imgcrypt.Identity.generate()
imgcrypt.decrypt(imgcrypt.encrypt(image, [key, me.recipient]), [key, me])
imgcrypt.decrypt(blob, me.recipient)  # error
imgcrypt.encrypt(image, [key, str(me.recipient)])  # error
imgcrypt.rewrap(blob, key, add=me)  # error
imgcrypt.Recipient(str(me.recipient))  # error
print(imgcrypt.decrypt(blob, key).shpae)  # error
print(imgcrypt.inspect(blob).widht)  # error
imgcrypt.Key.genarate()  # error
text: str = imgcrypt.encrypt(image, key)  # error

codec = imgcrypt.Codec(key, threads=2)
codec.encrypt("photo.png")  # error
codec.decrypt(blob, bytearray(48))  # error
codec.decrypt("photo.png.imgc")  # error
codec.encrpyt(image)  # error
imgcrypt.Codec("secret")  # error
imgcrypt.Codec(key, threads="2")  # error
imgcrypt.Codec(key, provider="gpu")  # error
codec.encrypt(image, associated_data="account 7")  # error
codec.encrypt(image, cancel=True)  # error
codec.encrypt(image, progress=print, cancel=None)
array = np.zeros((4, 4, 3), np.uint8)
array = codec.decrypt(blob, array)
view: memoryview = codec.encrypt(image, bytearray(1000))
other: bytes = codec.encrypt(image, bytearray(1000))  # error
for each in codec.encrypt_many([image, image]):
    print(each.shape)  # error
