// The root of what this library throws, and the errors that are not about a session.
#ifndef TECH_RENAISSANCE_EXCEPTION_H
#define TECH_RENAISSANCE_EXCEPTION_H

#include <stdexcept>
#include <string>
#include <system_error>

namespace tr {

// The root: whoever catches it has caught all.
class TRException : public std::runtime_error {
public:
    explicit TRException(const std::string& message) : std::runtime_error(message) {}
};

// A file that should hold a tensor breaks the format: the message says where, and which clause.
class FormatError : public TRException {
public:
    using TRException::TRException;
};

// What was given cannot be: a shape of five dimensions, an element type that is another one.
class UnsupportedError : public TRException {
public:
    using TRException::TRException;
};

// What the system refuses: no such file, no room left.
class SystemError : public TRException {
public:
    SystemError(const std::string& what, std::error_code code)
        : TRException(what + ": " + code.message()), code_(code) {}

    const std::error_code& code() const noexcept { return code_; }

private:
    std::error_code code_;
};

}  // namespace tr

#endif
