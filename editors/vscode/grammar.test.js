// The grammar in the engine that VS Code colours with.
const assert = require("node:assert");
const fs = require("node:fs");
const test = require("node:test");
const oniguruma = require("vscode-oniguruma");
const { INITIAL, Registry, parseRawGrammar } = require("vscode-textmate");

const PATH = `${__dirname}/syntaxes/mix.tmLanguage.json`;

async function grammar() {
  await oniguruma.loadWASM(fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
  const onigLib = Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  });
  const loadGrammar = async (scope) =>
    scope === "source.mix" ? parseRawGrammar(fs.readFileSync(PATH, "utf8"), PATH) : null;
  return new Registry({ onigLib, loadGrammar }).loadGrammar("source.mix");
}
const loaded = grammar();

// The scopes of each piece of text, without the grammar's own; blanks are left out.
async function scopes(text) {
  const found = [];
  let state = INITIAL;
  for (const line of text.split("\n")) {
    const { tokens, ruleStack } = (await loaded).tokenizeLine(line, state);
    state = ruleStack;
    for (const { startIndex, endIndex, scopes } of tokens) {
      const piece = line.slice(startIndex, endIndex).trim();
      if (piece) found.push([piece, scopes.slice(1).join(" ")]);
    }
  }
  return found;
}

const of = (found, piece) => found.find(([text]) => text === piece)?.[1];

test("a template's text is a string with Jinja in it", async () => {
  const found = await scopes(`template ask { user = "Say {{ n | upper }}." }`);
  assert.equal(of(found, "template"), "storage.type.block.mix");
  assert.match(of(found, "n"), /^string\.quoted\.double\.mix meta\.embedded\.jinja variable/);
  assert.match(of(found, "upper"), /support\.function\.filter\.jinja$/);
});

test("quotes in Jinja are escaped in a string", async () => {
  const found = await scopes('x = "{{ a[\\"b\\"] }} c"\ny = 3');
  assert.match(of(found, '\\"b\\"'), /string\.quoted\.double\.jinja$/);
  assert.equal(of(found, "c"), "string.quoted.double.mix");
  assert.equal(of(found, "y"), "variable.other.property.mix");
});

for (const begun of ["{{ n", "{{ n }", "{% if n", "{# n", '{{ a[\\"b']) {
  for (const end of ['"', '" }', ""]) {
    test(`the lines below a string with ${begun}${end} are no string`, async () => {
      const found = await scopes(`x = "Say ${begun}${end}\npipeline p {\n}`);
      assert.equal(of(found, "pipeline"), "storage.type.block.mix");
    });
  }
}

test("Jinja in a heredoc goes on over lines, and its mark ends it", async () => {
  const found = await scopes("x = <<~TEXT\n  {{ a\n    | upper }}\n  TEXT\ny = 3");
  assert.match(of(found, "upper"), /heredoc\.mix meta\.embedded\.jinja support\.function\.filter\.jinja$/);
  assert.equal(of(found, "y"), "variable.other.property.mix");
});
