// The worker that comes with the Python package: text and tensors go to it and come back.
#include <iostream>

#include "tech_renaissance.h"

int main() {
    tr::PythonSession session;  // "default": a worker that knows matmul, relu, conv...
    session.start();
    session.wait_until_ready();
    std::cout << session.fetch_response("hello world") << '\n';  // Hello World
    const tr::Tensor a = tr::Tensor::full(tr::Shape(4, 3), 1.5);
    const tr::Tensor b = tr::Tensor::full(tr::Shape(3, 5), 2);
    const tr::Tensor product = session.calculate("matmul", a, b);
    std::cout << product.shape().to_string() << ' ' << product.at<float>(0, 0) << '\n';  // (4, 5) 9
}  // the worker ends here
