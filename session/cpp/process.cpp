// What processes have in common on all systems: see process.hpp.
#include "process.hpp"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "paths.hpp"
#include "tech_renaissance/utils/python_session.h"

namespace tr {

namespace {

// What lies in the current folder has no part in it.
constexpr const char* default_worker = R"(
import sys
sys.path[:] = filter(None, sys.path)
try:
    from session.default_worker import main
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "session":
        raise
    sys.exit(f"{sys.executable} has no worker for 'default': pip install tsr-codec")
main()
)";

}  // namespace

std::string interpreter() {
    const char* given = std::getenv("TR_PYTHON");
    if (given != nullptr && *given != '\0') return given;
#ifdef _WIN32
    return "python";
#else
    return "python3";
#endif
}

std::vector<std::string> worker_arguments(const std::string& script,
                                          const std::string& session_id) {
    if (script == "default") return {interpreter(), "-c", default_worker, session_id};
    std::error_code code;
    if (!std::filesystem::is_regular_file(path_of(script), code)) {
        throw WorkerStartError("no worker script: " + script);
    }
    return {interpreter(), script, session_id};
}

}  // namespace tr
