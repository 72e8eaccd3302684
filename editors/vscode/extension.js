// Starts `mixwright lsp` for the .mix files of a workspace, and begins it anew when its command changes.
"use strict";

const fs = require("fs");
const path = require("path");
const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

/** The command of the settings; one with a folder in it starts at the workspace, `.venv` there comes before the PATH. */
function command() {
  const written = vscode.workspace.getConfiguration("mixwright").get("path", "mixwright");
  const root = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  if (written !== "mixwright") {
    return root && written.includes("/") ? path.resolve(root, written) : written;
  }
  const local = root && path.join(root, ".venv", "bin", "mixwright");
  return local && fs.existsSync(local) ? local : written;
}

async function start() {
  const run = { command: command(), args: ["lsp"], transport: TransportKind.stdio };
  client = new LanguageClient("mixwright", "Mixwright", run, {
    documentSelector: [{ language: "mix" }],
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    vscode.window.showErrorMessage(
      `${run.command} lsp does not start (${error.message}): pip install 'mixwright[lsp]', or set mixwright.path`,
    );
  }
}

async function restart() {
  await client?.stop();
  await start();
}

exports.activate = async (context) => {
  context.subscriptions.push(
    vscode.commands.registerCommand("mixwright.restart", restart),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("mixwright.path")) {
        restart();
      }
    }),
  );
  await start();
};

exports.deactivate = () => client?.stop();
