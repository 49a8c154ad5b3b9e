// Example 1 of the framework's document: a Python worker multiplies two matrices.
//
// Run it in a folder from which the path leads to a worker that answers "matmul A B".
#include "tech_renaissance.h"
using namespace tr;

int main() {
    // create the session
    PythonSession session("../python/module/python_server.py", "matmul_demo");
    session.start();
    session.wait_until_ready(5000);

    // test tensors: a 4x3 matrix times a 3x5 matrix is a 4x5 matrix
    Tensor tensor_a = Tensor::full(Shape(4, 3), 1.5f, DType::FP32, tr::CPU);
    Tensor tensor_b = Tensor::full(Shape(3, 5), 2.0f, DType::FP32, tr::CPU);

    // the core API: send tensors to Python
    session.send_tensor(tensor_a, "input_a");
    session.send_tensor(tensor_b, "input_b");

    // trigger the matmul
    session.send_request("matmul input_a input_b");

    // wait for the result and fetch it
    Tensor result = session.wait_for_tensor(10000);

    // check the result
    std::cout << "result shape: " << result.shape().to_string() << std::endl;
    result.print("result");

    // graceful exit
    session.please_exit(5000, true);

    return 0;
}
