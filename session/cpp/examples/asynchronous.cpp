// The framework's document, advanced: another thread waits for the result.
//
// Run it in a folder from which the path leads to a worker that answers "matmul A B".
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("../python/module/python_server.py", "asynchronous");
    session.start();
    session.wait_until_ready(5000);
    session.send_tensor(Tensor::full(Shape(2, 2), 1, DType::FP32, tr::CPU), "input_a");
    session.send_tensor(Tensor::full(Shape(2, 2), 3, DType::FP32, tr::CPU), "input_b");
    session.send_request("matmul input_a input_b");

    // asynchronous
    auto future = std::async(std::launch::async, [&session]() {
        return session.wait_for_tensor(10000);
    });
    // ... do other things ...
    Tensor result = future.get();

    result.print("result");
    session.please_exit(5000, true);
    return 0;
}
