// Two paths -> the tensor of the first is described, and written to the second.
#include <iostream>
#include <tsr/tsr.hpp>

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        const tsr::Tensor tensor = tsr::load(argv[1]);
        std::cout << tsr::name(tensor.dtype()) << ' ' << tensor.shape().to_string() << '\n';
        tsr::save(argv[2], tensor);
    } catch (const tsr::FormatError& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
