// Requests and responses of both dialects, by bytes as they stand in files.
#include "message.hpp"

#include <doctest/doctest.h>

#include "json.hpp"

namespace {

using namespace std::string_literals;
using tr::decode_response;
using tr::MessageError;

// The message of the error that reading this ends with; empty where it is read.
std::string error_of(const std::string& data) {
    try {
        decode_response(data);
    } catch (const MessageError& error) {
        return error.what();
    }
    return "";
}

// What reading a text in JSON gives.
std::string text_of(const std::string& json) {
    return decode_response("{\"result\": \"" + json + "\"}").result;
}

std::string written(const std::string& text) {
    std::string document;
    tr::json::append(document, text);
    return document;
}

}  // namespace

TEST_CASE("a response of ours has all its fields") {
    const tr::Response response = decode_response(
        R"({"command": "matmul", "result": "ok", "message": "", "timestamp": 1699123456790, )"
        R"("id": "ab-1", "tensors": ["result_0", "result_1"]})");
    CHECK(response.command == "matmul");
    CHECK(response.result == "ok");
    CHECK(response.message.empty());
    CHECK(response.id == "ab-1");
    CHECK(response.tensors == std::vector<std::string>{"result_0", "result_1"});
    CHECK_FALSE(response.is_original);
}

TEST_CASE("fields may be missing, be in any order, be unknown or come twice") {
    CHECK(decode_response(R"({"result":"x"})").command.empty());
    CHECK(decode_response("\t{\n\"id\" :\r\"1\", \"result\":\"x\" } \n").id == "1");
    CHECK(decode_response(R"({"a": {"b": [1, {"c": null}], "d": {}}, "result": "x", "e": []})")
              .result == "x");
    CHECK(decode_response(R"({"result": "first", "result": "last"})").result == "last");
    for (const char* value : {"0", "-1", "1.5e-3", "1E+9", "true", "false", "null", "NaN",
                              "Infinity", "-Infinity", "[[], [[]]]", "{}", "[\"a\", 1]"}) {
        CAPTURE(value);
        CHECK(decode_response("{\"x\": "s + value + ", \"result\": \"y\"}").result == "y");
    }
}

TEST_CASE("a response of the original has two fields") {
    const tr::Response response = decode_response(R"({"cmd": "echo", "params": "a, b"})");
    CHECK(response.command == "echo");
    CHECK(response.result == "a, b");
    CHECK(response.is_original);
    CHECK(decode_response(R"({"params": ""})").is_original);
    CHECK_FALSE(decode_response(R"({"cmd": "a", "params": "b", "result": "c"})").is_original);
}

TEST_CASE("what the original pastes together is read as it stands") {
    CHECK(decode_response(R"({"cmd":"say","params":"say "hi""})").result == "say \"hi\"");
    CHECK(decode_response(R"({ "cmd" : "say" , "params" : "C:\q" } )").result == "C:\\q");
    CHECK(decode_response("{\"cmd\":\"a\"b\",\"params\":\"\"}").command == "a\"b");
    CHECK(decode_response(R"({"cmd":"","params":"","params":"""})").result == R"(","params":"")");
    CHECK(decode_response("{\"cmd\":\"\",\"params\":\"two\nlines\"}").result == "two\nlines");
    for (const char* broken :
         {R"({"cmd":"a","params":"b")", R"({"cmd":"a"b"})", R"("cmd":"a"b","params":"b"})",
          R"({"cmd":"a"b","params":"b"} x)", R"({"cmd":"a","params":"b""},)"}) {
        CAPTURE(broken);
        CHECK(error_of(broken).rfind("a message that is no JSON", 0) == 0);
    }
}

TEST_CASE("escapes are read") {
    CHECK(text_of(R"(\"\\\/\b\f\n\r\t)") == "\"\\/\b\f\n\r\t");
    CHECK(text_of(R"(\u0041\u00e9\u20AC)") == "A\u00e9\u20ac");
    CHECK(text_of(R"(\ud83d\ude00)") == "\U0001F600");
    CHECK(text_of(R"(\u0000)") == "\0"s);
    CHECK(text_of("gr\u00f6\u00dfe \U0001F600") == "gr\u00f6\u00dfe \U0001F600");
    for (const char* broken : {R"(\x41)", R"(\u004)", R"(\u00g0)", R"(\u-001)", R"(\ud83d\u12)"}) {
        CAPTURE(broken);
        CHECK(error_of("{\"result\": \""s + broken + "\"}").rfind("a message that is no JSON", 0) ==
              0);
    }
}

TEST_CASE("lone surrogates come and go") {
    const std::string high = "\xED\xA0\xBD";
    const std::string low = "\xED\xB8\x80";
    CHECK(text_of(R"(\ud83d)") == high);
    CHECK(text_of(R"(\ude00\ud83d)") == low + high);
    CHECK(text_of(R"(\ud83d\u0041)") == high + "A");
    CHECK(text_of(R"(\ud83d\ud83d\ude00)") == high + "\U0001F600");
    CHECK(written(low + high + "A") == R"("\ude00\ud83dA")");
    CHECK(error_of("{\"result\": \"" + high + "\"}").rfind("a message that is no UTF-8", 0) == 0);
}

TEST_CASE("texts are written as JSON and read again") {
    CHECK(written("a\"b\\c") == R"("a\"b\\c")");
    CHECK(written("\n\t\0\x1f\x7f"s) == "\"\\u000a\\u0009\\u0000\\u001f\x7f\"");
    // As Python writes it: whoever reads the file need not take it for UTF-8.
    CHECK(written("gr\u00f6\u00dfe \u07ff\u0800\uffff") ==
          R"("gr\u00f6\u00dfe \u07ff\u0800\uffff")");
    CHECK(written("\U00010000\U0001F600\U0010FFFF") == R"("\ud800\udc00\ud83d\ude00\udbff\udfff")");
    std::string all;
    for (int byte = 0; byte < 128; ++byte) all += static_cast<char>(byte);
    for (const std::string& text :
         {all, "gr\u00f6\u00dfe"s, "\xED\x9F\xBF\xEE\x80\x80"s, "\U00010000 \U0010FFFF"s, ""s}) {
        CHECK(decode_response("{\"result\": " + written(text) + "}").result == text);
    }
}

TEST_CASE("what is no UTF-8 is refused") {
    for (const char* bytes : {"\xff", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
                              "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                              "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3\x28"}) {
        CAPTURE(bytes);
        CHECK_FALSE(tr::json::is_utf8(bytes));
        CHECK(error_of("{\"result\": \""s + bytes + "\"}").rfind("a message that is no UTF-8", 0) ==
              0);
    }
    CHECK(tr::json::is_utf8("\xed\xa0\x80", true));
    CHECK(
        tr::json::is_utf8("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f"
                          "\xbf\xbf"));
    CHECK_THROWS_AS(tr::encode_request({"echo", "\xff", ""}, 0, {}), MessageError);
}

TEST_CASE("what is no response says what it is") {
    CHECK(error_of("") == "a message that is no JSON: ''");
    CHECK(error_of("{") == "a message that is no JSON: '{'");
    CHECK(error_of("[]") == "a message that is no object: '[]'");
    CHECK(error_of("\"text\"") == "a message that is no object: '\"text\"'");
    CHECK(error_of("{}") == "a response without a result: '{}'");
    CHECK(error_of("\xff") == "a message that is no UTF-8: '\\xff'");
    CHECK(error_of(R"({"result": 1})") == "a message with '1' where text belongs");
    CHECK(error_of(R"({"result": null})") == "a message with something else where text belongs");
    CHECK(error_of(R"({"result": "", "tensors": "r"})").rfind("a response whose tensors", 0) == 0);
    CHECK(error_of(R"({"result": "", "tensors": [1]})").find("where text belongs") !=
          std::string::npos);
    for (const char* broken : {"{\"result\": \"x\"",
                               "{\"result\": \"x\"}}",
                               "{\"result\" \"x\"}",
                               "{result: \"x\"}",
                               "{\"result\": \"x\",}",
                               "{,}",
                               "{\"result\": 'x'}",
                               "{\"result\": \"x\"} {}",
                               "\xEF\xBB\xBF{\"result\": \"x\"}",
                               "{\"result\": 01}",
                               "{\"result\": 1.}",
                               "{\"result\": +1}",
                               "{\"result\": 1e}",
                               "{\"result\": -}",
                               "{\"result\": [1,]}",
                               "{\"result\": [1 2]}",
                               "{\"result\": [}",
                               "{\"result\": {]}",
                               "{\"a\": tru}",
                               "{\"a\": {\"b\"}}",
                               "{\"a\": {1: 2}}",
                               "{\"result\": \"x",
                               "{\"result\": \"x\\",
                               "nul",
                               "\v{}"}) {
        CAPTURE(broken);
        CHECK(error_of(broken).rfind("a message that is no JSON", 0) == 0);
    }
}

TEST_CASE("neither depth nor size brings it down") {
    const auto nested = [](std::size_t depth, const char* open, const char* close) {
        std::string value;
        for (std::size_t i = 0; i < depth; ++i) value += open;
        value += "0";
        for (std::size_t i = 0; i < depth; ++i) value += close;
        return "{\"a\": " + value + ", \"result\": \"x\"}";
    };
    CHECK(decode_response(nested(500, "[", "]")).result == "x");
    CHECK(decode_response(nested(500, "{\"a\":", "}")).result == "x");
    for (const std::size_t depth : {2'000U, 1'000'000U}) {
        CHECK(error_of(nested(depth, "[", "]")).rfind("a message that is no JSON", 0) == 0);
        CHECK(error_of(nested(depth, "{\"a\":", "}")).rfind("a message that is no JSON", 0) == 0);
    }
    CHECK(error_of(std::string(1 << 20, '[')).rfind("a message that is no JSON", 0) == 0);
    CHECK(error_of("{\"cmd\":\"" + std::string(1 << 22, '"')).size() < 400);
    CHECK(error_of("{\"cmd\":\"" + std::string(1 << 22, ' ')).size() < 400);
    const std::string large(1 << 22, 'x');
    CHECK(decode_response("{\"result\": \"" + large + "\"}").result == large);
}

TEST_CASE("a request is written for workers of both dialects") {
    const tr::Request request{"say", "\"hi\"", "ab-1"};
    CHECK(tr::encode_request(request, 17, {}) ==
          R"({"command": "say", "parameters": "\"hi\"", "timestamp": 17, "id": "ab-1"})");
    CHECK(tr::encode_request(request, 17, "a,b") ==
          R"({"command": "say", "parameters": "\"hi\"", "timestamp": 17, "id": "ab-1", )"
          R"("cmd": "say", "params": "a,b"})");
}

TEST_CASE("a request is a command and its parameters") {
    const auto split = [](const char* message) {
        const tr::Request request = tr::split_request(message);
        return request.command + "|" + request.parameters;
    };
    CHECK(split("matmul a b") == "matmul|a b");
    CHECK(split("  echo \t two  words\n") == "echo|two  words");
    CHECK(split("exit") == "exit|");
    CHECK(split("") == "|");
    CHECK(split(" \n") == "|");
}

TEST_CASE("names are split at spaces and commas") {
    CHECK(tr::split_names("a b,c , d\n") == std::vector<std::string>{"a", "b", "c", "d"});
    CHECK(tr::split_names(" ,").empty());
}

TEST_CASE("white space is that of Python") {
    for (const char* space :
         {"\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",   "\x1e",
          "\x1f",   " ",      "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002",
          "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
          "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"}) {
        CAPTURE(space);
        const tr::Request request =
            tr::split_request(space + "echo"s + space + space + "a b" + space);
        CHECK(request.command == "echo");
        CHECK(request.parameters == "a b");
        CHECK(tr::split_names("a"s + space + ",b" + space) == std::vector<std::string>{"a", "b"});
        CHECK(
            decode_response("{\"cmd\":"s + space + "\"\"\"" + space + ",\"params\":\"x\"}" + space)
                .result == "x");
    }
    for (const char* other : {"\b", "\x0e", "\x1b", "\x7f", "\u0084", "\u00a1", "\u180e", "\u200b",
                              "\u2027", "\u202a", "\u2060", "\u3001", "\ufeff"}) {
        CAPTURE(other);
        CHECK(tr::split_request("echo"s + other).command == "echo"s + other);
        CHECK(tr::split_names(other + "b"s) == std::vector<std::string>{other + "b"s});
    }
}

TEST_CASE("progress is read, and what is none is not") {
    const auto report =
        tr::decode_report(R"({"done": 1.5, "total": 1e1, "note": "n", "id": "ab-1"})");
    REQUIRE(report);
    CHECK(report->progress.done == 1.5);
    CHECK(report->progress.total == 10);
    CHECK(report->progress.note == "n");
    CHECK(report->id == "ab-1");
    for (const char* broken : {"", "[]", "{}", R"({"done": "1", "total": 2})", "\xff",
                               R"({"done": 1, "total": 2, "note": 3, "id": "x"})"}) {
        CAPTURE(broken);
        CHECK_FALSE(tr::decode_report(broken));
    }
}
