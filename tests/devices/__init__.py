"""What depends on the device, on every device there is: the CPU in `make test`, CUDA too in `make test-gpu`."""
