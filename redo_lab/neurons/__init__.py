"""The core: how hidden layers are declared, scored and operated on."""
