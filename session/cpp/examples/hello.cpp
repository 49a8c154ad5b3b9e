// Example 2 of the framework's document: the worker that comes with the Python package greets.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("default", "hello_test");
    session.start();
    session.wait_until_ready(5000);

    // send a request and wait for the response
    std::string response = session.fetch_response("hello world", 3000);
    std::cout << "Python said: " << response << std::endl;

    session.please_exit(5000, true);
    return 0;
}
