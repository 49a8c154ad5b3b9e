// The framework's document, advanced: whatever failed, the next worker answers.
//
// Run it with a request that fails, in a folder from which the path leads to a worker that
// answers "retry_command" with a tensor.
#include "tech_renaissance.h"
using namespace tr;

int main(int, char* arguments[]) {
    PythonSession session("../python/module/python_server.py", "recovery");
    session.start();
    session.wait_until_ready(5000);
    session.send_request(arguments[1]);
    Tensor result;

    // recovery
    try {
        Tensor result = session.wait_for_tensor(5000);
    } catch (const TRException& e) {
        std::cerr << "fetching the tensor failed: " << e.what() << std::endl;

        // retry
        session.terminate();
        session.start();
        session.wait_until_ready(5000);

        // send the request again
        session.send_request("retry_command");
        result = session.wait_for_tensor(5000);
    }

    result.print("result");
    session.please_exit(5000, true);
    return 0;
}
