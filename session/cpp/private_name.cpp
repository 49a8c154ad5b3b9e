// See private_name.hpp.
#include "private_name.hpp"

#include <atomic>

#ifdef _WIN32
#include <process.h>
#else
#include <unistd.h>
#endif

namespace tr {

std::string private_name(const char* kind) {
    static std::atomic<unsigned long long> serial{0};
#ifdef _WIN32
    const int process = _getpid();
#else
    const int process = getpid();
#endif
    return "." + std::to_string(process) + "-" + std::to_string(serial++) + "." + kind;
}

}  // namespace tr
