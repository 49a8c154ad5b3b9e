// Round trips of a session: by tr::PythonSession, by hand. Each with a Python worker at the other end.
//
// In: a folder for the sessions, the interpreter, the scripts of the two workers, and commands
// (timing.hpp). Tensors come back negated, and one value of each page of them is read.

#include <string>
#include <tech_renaissance.h>

#include "session_by_hand.hpp"
#include "timing.hpp"

namespace {

struct Size {
    const char* name;
    int length;
};
constexpr Size sizes[] = {{"4 KB", 1000}, {"1 MB", 250000}, {"64 MB", 16000000}};

}  // namespace

int main(int, char** arguments) {
    const std::string folder = arguments[1];
    tr::PythonSession session(arguments[3], "bench_cpp_" + std::to_string(::getpid()), false,
                              folder);
    session.start();
    session.wait_until_ready();
    by_hand::Session hand(arguments[2], arguments[4], folder + "/tr_session_XXXXXX");
    Ways ways;
    ways["text: tsr"] = [&session] { use(session.fetch_response("echo hello", 0)); };
    ways["text: by hand"] = [&hand] { use(hand.echo("hello")); };
    for (const Size& size : sizes) {
        const std::string name = size.name;
        const tr::Tensor tensor =
            tr::Tensor::full(tr::Shape(size.length), 1.5f, tr::DType::FP32, tr::CPU);
        ways[name + ": tsr"] = [&session, tensor] {
            const tr::Tensor result = session.calculate("negate", tensor);
            const auto* bytes = reinterpret_cast<const unsigned char*>(result.data_ptr<float>());
            const auto nbytes = 4 * static_cast<std::size_t>(result.numel());
            unsigned sum = 0;
            for (std::size_t at = 0; at < nbytes; at += 4096) sum += bytes[at];
            use(sum);
        };
        const std::vector<float> elements(static_cast<std::size_t>(size.length), 1.5f);
        ways[name + ": by hand"] = [&hand, elements] {
            const auto length = static_cast<std::int32_t>(elements.size());
            hand.negate(by_hand::header_of(1, length), elements.data(), 4 * elements.size());
        };
    }
    return serve(ways);
}
