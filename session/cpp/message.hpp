// Requests and responses <-> the bytes of their files, in both dialects. No I/O.
//
// The dialect of this project is JSON with ids. That of the format's original C++ client and
// Python worker has two fields, "cmd" and "params". Raises MessageError.
#ifndef TR_SESSION_MESSAGE_HPP
#define TR_SESSION_MESSAGE_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tech_renaissance/utils/python_session.h"

namespace tr {

// What a client asks for.
struct Request {
    std::string command;
    std::string parameters;
    std::string id;  // tells requests apart; may be empty
};

// What a worker answers.
struct Response {
    std::string command;
    std::string result;                // "ok", "error" or any text
    std::string message;               // why it is an error; else empty
    std::vector<std::string> tensors;  // the names of those that come with it
    std::string id;                    // that of the request; empty where it had none
    bool is_original = false;          // whether it is in the original's dialect
};

// Progress, and the id of the request that has come so far.
struct Report {
    Progress progress;
    std::string id;
};

// Splits parameters into names: at spaces, or commas as the original joins them with.
std::vector<std::string> split_names(std::string_view text);

// Splits a request as a user writes it into a command, which may be empty, and parameters.
Request split_request(std::string_view message);

// Writes a request; `timestamp` is in ms since the Unix epoch, `params` what an original worker
// is to read for parameters, where the worker may be one.
std::string encode_request(const Request& request, std::int64_t timestamp,
                           const std::optional<std::string>& params);

// Reads a response of either dialect; of the original's, a tensor is not told from text.
Response decode_response(std::string_view data);

// Reads what a worker reports; nothing where it is no report.
std::optional<Report> decode_report(std::string_view data);

}  // namespace tr

#endif
