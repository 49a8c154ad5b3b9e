// The framework's document, advanced: a batch of tensors, of which each has its result.
//
// Run it in a folder from which the path leads to a worker that answers "batch_process A B C".
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("../python/module/python_server.py", "many_tensors");
    session.start();
    session.wait_until_ready(5000);
    Tensor a = Tensor::zeros(Shape(2), DType::FP32, tr::CPU);
    Tensor b = Tensor::from_vector<std::int8_t>({4, 5}, Shape(1, 2));
    Tensor c = Tensor::full(Shape(), 6, DType::INT32, tr::CPU);

    // many tensors
    std::vector<Tensor> tensors = {a, b, c};
    std::vector<std::string> tags = {"input_a", "input_b", "input_c"};
    for (size_t i = 0; i < tensors.size(); ++i) {
        session.send_tensor(tensors[i], tags[i]);
    }
    session.send_request("batch_process input_a input_b input_c");

    for (const Tensor& result : session.wait_for_tensors(10000)) {
        result.print();
    }
    session.please_exit(5000, true);
    return 0;
}
