// See message.hpp.
#include "message.hpp"

#include <locale>
#include <sstream>

#include "json.hpp"
#include "space.hpp"

namespace tr {

namespace {

// The start of what was read, for a person to see.
std::string shown(std::string_view data) {
    constexpr std::size_t most = 80;
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "'";
    for (const char c : data.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7F) {
            text += c;
        } else {
            text += "\\x";
            text += digits[byte >> 4];
            text += digits[byte & 0xF];
        }
    }
    return text + "'";
}

// Takes what is there of a pattern, in which a space stands for any number of them.
bool take(std::string_view& text, std::string_view pattern) {
    std::string_view rest = text;
    for (const char c : pattern) {
        if (c == ' ') {
            rest = strip_start(rest);
        } else if (rest.empty() || rest.front() != c) {
            return false;
        } else {
            rest.remove_prefix(1);
        }
    }
    text = rest;
    return true;
}

// Reads the original's fields where quotes inside them are not escaped.
bool read_pasted(std::string_view text, json::Fields& fields) {
    if (!take(text, "{ \"cmd\" : \"")) return false;
    for (std::size_t end = text.find('"'); end != text.npos; end = text.find('"', end + 1)) {
        std::string_view rest = text.substr(end);
        if (!take(rest, "\" , \"params\" : \"")) continue;
        // The last quote, if nothing but the end of the object is behind it.
        const std::size_t quote = rest.rfind('"');
        if (quote == rest.npos) return false;
        std::string_view tail = rest.substr(quote);
        if (!take(tail, "\" } ") || !tail.empty()) return false;
        const auto text_of = [](std::string_view value) {
            json::Value made;
            made.kind = json::Value::Kind::Text;
            made.text = value;
            return made;
        };
        fields.clear();
        fields["cmd"] = text_of(text.substr(0, end));
        fields["params"] = text_of(rest.substr(0, quote));
        return true;
    }
    return false;
}

json::Fields load(std::string_view data) {
    if (!json::is_utf8(data)) throw MessageError("a message that is no UTF-8: " + shown(data));
    json::Fields fields;
    switch (json::read(data, fields)) {
        case json::Outcome::Object: break;
        case json::Outcome::NoObject:
            throw MessageError("a message that is no object: " + shown(data));
        case json::Outcome::NoJson:
            if (!read_pasted(data, fields)) {
                throw MessageError("a message that is no JSON: " + shown(data));
            }
    }
    return fields;
}

std::string text_of(json::Value& value) {
    if (value.kind != json::Value::Kind::Text) {
        throw MessageError("a message with " +
                           (value.text.empty() ? "something else" : shown(value.text)) +
                           " where text belongs");
    }
    return std::move(value.text);
}

// A field's text; empty where there is no such field.
std::string text_of(json::Fields& fields, std::string_view name) {
    const auto found = fields.find(name);
    return found == fields.end() ? "" : text_of(found->second);
}

std::optional<double> number_of(const json::Fields& fields, std::string_view name) {
    const auto found = fields.find(name);
    if (found == fields.end() || found->second.kind != json::Value::Kind::Number) return {};
    std::istringstream stream(found->second.text);
    stream.imbue(std::locale::classic());
    double number = 0;
    if (!(stream >> number)) return {};
    return number;
}

void append_field(std::string& document, std::string_view name, std::string_view text) {
    document += document.empty() ? "{" : ", ";
    json::append(document, name);
    document += ": ";
    json::append(document, text);
}

}  // namespace

std::vector<std::string> split_names(std::string_view text) {
    std::vector<std::string> names;
    bool is_inside = false;
    while (!text.empty()) {
        const std::size_t separator = text.front() == ',' ? 1 : space_at_start(text);
        if (separator > 0) {
            text.remove_prefix(separator);
        } else {
            if (!is_inside) names.emplace_back();
            names.back() += text.front();
            text.remove_prefix(1);
        }
        is_inside = separator == 0;
    }
    return names;
}

Request split_request(std::string_view message) {
    message = strip(message);
    std::size_t end = 0;
    while (end < message.size() && space_at_start(message.substr(end)) == 0) ++end;
    return {std::string(message.substr(0, end)), std::string(strip(message.substr(end))), ""};
}

std::string encode_request(const Request& request, std::int64_t timestamp,
                           const std::optional<std::string>& params) {
    for (const std::string_view text : {request.command, request.parameters}) {
        if (!json::is_utf8(text, true)) {
            throw MessageError("a request that is no UTF-8: " + shown(text));
        }
    }
    std::string document;
    document.reserve(2 * (request.command.size() + request.parameters.size()) + 128);
    append_field(document, "command", request.command);
    append_field(document, "parameters", request.parameters);
    document += ", \"timestamp\": " + std::to_string(timestamp);
    append_field(document, "id", request.id);
    if (params) {
        append_field(document, "cmd", request.command);
        append_field(document, "params", *params);
    }
    return document + "}";
}

Response decode_response(std::string_view data) {
    json::Fields fields = load(data);
    Response response;
    if (fields.count("result") == 0) {
        if (fields.count("params") == 0) {
            throw MessageError("a response without a result: " + shown(data));
        }
        response.command = text_of(fields, "cmd");
        response.result = text_of(fields, "params");
        response.is_original = true;
        return response;
    }
    response.command = text_of(fields, "command");
    response.result = text_of(fields, "result");
    response.message = text_of(fields, "message");
    response.id = text_of(fields, "id");
    const auto tensors = fields.find("tensors");
    if (tensors != fields.end()) {
        if (tensors->second.kind != json::Value::Kind::List) {
            throw MessageError("a response whose tensors are no list: " + shown(data));
        }
        for (json::Value& name : tensors->second.items) {
            response.tensors.push_back(text_of(name));
        }
    }
    return response;
}

std::optional<Report> decode_report(std::string_view data) {
    json::Fields fields;
    if (!json::is_utf8(data) || json::read(data, fields) != json::Outcome::Object) return {};
    const std::optional<double> done = number_of(fields, "done");
    const std::optional<double> total = number_of(fields, "total");
    if (!done || !total) return {};
    try {
        return Report{{*done, *total, text_of(fields, "note")}, text_of(fields, "id")};
    } catch (const MessageError&) {
        return {};
    }
}

}  // namespace tr
