replace me: the file that Apple's developer portal gave
