// The framework's document, build options: a program for both values of TR_BUILD_PYTHON_SESSION.
#include "tech_renaissance.h"

#ifdef TR_BUILD_PYTHON_SESSION
#include "tech_renaissance/utils/python_session.h"
// use PythonSession
#endif

int main() {
#ifdef TR_BUILD_PYTHON_SESSION
    tr::PythonSession session("default", "build_option");
    session.start();
    session.wait_until_ready(5000);
    std::cout << session.fetch_response("echo with the session", 5000) << std::endl;
#else
    std::cout << "without the session" << std::endl;
#endif
    tr::Tensor::ones(tr::Shape(2, 2)).print("ones");
    return 0;
}
