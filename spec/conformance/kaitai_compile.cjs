// A Kaitai Struct description -> a parser in Python, and the description itself as JSON:
//
//     NODE_PATH=.venv/node_modules node spec/conformance/kaitai_compile.cjs spec/tsr.ksy DIRECTORY
//
// makes DIRECTORY/tsr.py and DIRECTORY/tsr.json. The parser is what the compiler makes for
// debugging: it reads when it is told to, keeps what it has read before an error, and tells where
// each field begins. Ends with another status than 0, and says why, where that does not work.

'use strict';

const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const compiler = require('kaitai-struct-compiler');
const yaml = require('js-yaml');

const DEBUG = true;

async function main([source, directory]) {
  const description = yaml.load(readFileSync(source, 'utf8'));
  const modules = await compiler.compile('python', description, null, DEBUG);
  for (const [name, text] of Object.entries(modules)) writeFileSync(join(directory, name), text);
  writeFileSync(join(directory, `${description.meta.id}.json`), JSON.stringify(description));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
