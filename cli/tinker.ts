#!/usr/bin/env node
/** `tinker`: the server and the agent of a cluster, and the lab, which runs both on one machine. */
import { writeFileSync } from 'node:fs';
import { CommanderError, program } from 'commander';
import { explain } from './checks.ts';
import { createClusterCommands } from './cluster-commands.ts';
import { runComponent } from './components/component.ts';
import { calledComponent } from './components/index.ts';
import { createLabCommands } from './lab-commands.ts';
import { createStoreCommand } from './store-command.ts';
import { createTokenCommand } from './token-command.ts';
import { version } from './version.ts';
import { createWhyCommand } from './why-command.ts';

const called = calledComponent(process.argv0, process.argv.slice(2));
// As `ps` shows upstream's: by its own name, with its flags.
process.title = called === undefined ? `tinker ${process.argv[2] ?? ''}`.trim() : [called.title, ...called.argv].join(' ');

// The title's beginning becomes the name of the main thread, cut to 15 bytes: without this it would end in a space, or in a flag.
if (called !== undefined) writeFileSync('/proc/self/comm', called.title.slice(0, 15));

program
  .name('tinker')
  .description('A real Kubernetes that you can take apart.')
  .version(version)
  .configureOutput({
    outputError: (text, write) => write(`tinker: ${oneLine(text)} (tinker <command> --help lists the flags)\n`),
  })
  .exitOverride();
createClusterCommands(program);
createLabCommands(program);
createStoreCommand(program);
createTokenCommand(program);
createWhyCommand(program);

try {
  if (called === undefined) await program.parseAsync();
  else process.exitCode = (await runComponent(await called.load(), called.argv)) ?? process.exitCode;
} catch (error) {
  process.exitCode = report(error);
}

/** Joins commander's `error: …` and its suggestion into one line. */
function oneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ');
}

/**
 * Prints one line with the problem and the solution. The stack is printed only when TINKER_DEBUG is set. @returns the exit status
 */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (!(error instanceof Error)) throw error;
  process.stderr.write(
    `${called?.title ?? 'tinker'}: ${process.env['TINKER_DEBUG'] === undefined ? explain(error) : error.stack}\n`,
  );
  return 1;
}
