/**
 * Flags of upstream's components: read as Go's pflag reads them, and shown by `--help` in upstream's form. A flag is an option of commander
 * (its name, text, default and parser), so that `tinker server` and a component can share it.
 *
 * Source: github.com/spf13/pflag (parsing, FlagUsages); component-base `cli/flag` (sections, word separators).
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { formatDuration } from '#api/duration.ts';

/** A group of flags under one title of `--help`, as `addAuditFlags` and its like add them. */
export interface FlagSection {
  /** Such as `Secure serving`. */
  title: string;
  add(command: Command): unknown;
}

/** Flags of upstream whose effect there is nothing of here: accepted, and told in the log. The value says why. */
export type WithoutEffect = Readonly<Record<string, { type?: string; why: string }>>;

/** The call is wrong. The message is upstream's, and names the nearest flag. */
export class FlagError extends Error {
  override name = 'FlagError';
}

/** What a call says. */
export interface ParsedFlags<F> {
  flags: F;
  /** The names of flags that were given, without dashes. */
  given: ReadonlySet<string>;
  /** For the log: flags that have no effect here. */
  warnings: readonly string[];
  /** `-v`. Default 0. */
  verbosity: number;
  /** `--help`, `--version`: shown in place of running. */
  asked?: 'help' | 'version' | undefined;
}

/** The flags of one component. */
export class FlagSet<F extends object> {
  readonly #name: string;
  readonly #long: string;
  readonly #sections: readonly { title: string; options: readonly Option[] }[];
  readonly #options = new Map<string, Option>();
  readonly #withoutEffect: WithoutEffect;

  /** @param about the text at the top of `--help` */
  constructor(name: string, long: string, sections: readonly FlagSection[], withoutEffect: WithoutEffect = {}) {
    this.#name = name;
    this.#long = long;
    this.#withoutEffect = withoutEffect;
    this.#sections = sections.map(({ title, add }) => {
      const command = new Command();
      add(command);
      return { title, options: command.options };
    });
    for (const option of this.#sections.flatMap(({ options }) => options)) {
      const flag = nameOf(option);
      if (this.#options.has(flag)) throw new Error(`${name} defines --${flag} twice`);
      this.#options.set(flag, option);
    }
  }

  /** For man pages: what it is, and its flags by sections. */
  get description(): { long: string; sections: { title: string; flags: { name: string; type: string; text: string }[] }[] } {
    const sections = [...this.#sections, { title: 'Global', options: globalOptions(this.#name) }].map(({ title, options }) => ({
      title,
      flags: sortedOptions(options).map((option) => ({
        name: nameOf(option),
        type: typeOf(option),
        text: `${option.description}${defaultText(option)}`,
      })),
    }));
    return { long: this.#long, sections };
  }

  /** Names of all flags, sorted. */
  get names(): string[] {
    return [...this.#options.keys(), 'help', 'version', 'v'].sort();
  }

  /** @throws FlagError in upstream's words */
  parse(argv: readonly string[]): ParsedFlags<F> {
    const values: Record<string, unknown> = {};
    for (const option of this.#options.values()) values[option.attributeName()] = option.defaultValue;
    const given = new Set<string>();
    const warnings: string[] = [];
    let asked: ParsedFlags<F>['asked'];
    let verbosity = 0;
    const queue = [...argv];
    for (let token = queue.shift(); token !== undefined; token = queue.shift()) {
      if (token === '--') throw this.#tooMany(queue);
      const { flag, value } = this.#read(token, queue);
      if (flag === 'help' || flag === 'version') {
        asked ??= flag;
        continue;
      }
      if (flag === 'v') {
        if (!/^-?\d+$/.test(value ?? ''))
          throw new FlagError(`invalid argument ${JSON.stringify(value)} for "-v, --v" flag: give a number`);
        verbosity = Number(value);
        continue;
      }
      const without = this.#withoutEffect[flag];
      if (without !== undefined) {
        given.add(flag);
        warnings.push(`--${flag} has no effect: ${without.why}`);
        continue;
      }
      const option = this.#options.get(flag) as Option;
      const attribute = option.attributeName();
      values[attribute] = parsedValue(option, flag, value, values[attribute]);
      given.add(flag);
    }
    return { flags: values as F, given, warnings, verbosity, asked };
  }

  /** `--help`, in upstream's form. @param columns where lines are broken; 0: nowhere */
  help(columns = 0): string {
    const long = wrapped(this.#long, columns).join('\n');
    const sections = [...this.#sections, { title: 'Global', options: globalOptions(this.#name) }];
    const parts = sections.map(({ title, options }) => `${title} flags:\n\n${usages(options, columns)}`);
    return `${long}\n\nUsage:\n  ${this.#name} [flags]\n\n${parts.join('\n')}`;
  }

  #read(token: string, queue: string[]): { flag: string; value: string | undefined } {
    const short = /^-([hv])(?:=?(.*))?$/.exec(token);
    if (short !== null && !token.startsWith('--')) {
      if (short[1] === 'h') return { flag: 'help', value: undefined };
      return { flag: 'v', value: short[2] || this.#following(queue, '-v') };
    }
    if (!token.startsWith('-') || token === '-') throw this.#tooMany([token, ...queue]);
    if (!token.startsWith('--'))
      throw new FlagError(`unknown shorthand flag: '${token.slice(1, 2)}' in ${token}${this.#hint(token.replace(/^-/, ''))}`);
    const equals = token.indexOf('=');
    const written = token.slice(2, equals === -1 ? undefined : equals);
    // Upstream takes underscores for dashes.
    const flag = written.replaceAll('_', '-');
    let value = equals === -1 ? undefined : token.slice(equals + 1);
    const isPlain = flag === 'help' || flag === 'version';
    const option = this.#options.get(flag);
    const without = Object.hasOwn(this.#withoutEffect, flag) ? this.#withoutEffect[flag] : undefined;
    if (option === undefined && without === undefined && !isPlain && flag !== 'v')
      throw new FlagError(`unknown flag: --${written}${this.#hint(flag)}`);
    const isBoolean = option === undefined ? without?.type === 'bool' || isPlain : !option.required;
    if (value === undefined) value = isBoolean ? 'true' : this.#following(queue, `--${written}`);
    return { flag, value };
  }

  #following(queue: string[], written: string): string {
    const value = queue.shift();
    if (value === undefined) throw new FlagError(`flag needs an argument: ${written}`);
    return value;
  }

  #hint(flag: string): string {
    const nearest = nearestOf(flag.split('=')[0] ?? '', [...this.names, ...Object.keys(this.#withoutEffect)]);
    return nearest === undefined ? '' : `; did you mean --${nearest}?`;
  }

  #tooMany(rest: readonly string[]): FlagError {
    return new FlagError(
      `"${this.#name}" does not take any arguments, got [${rest.map((one) => JSON.stringify(one)).join(' ')}]`,
    );
  }
}

function globalOptions(name: string): readonly Option[] {
  return new Command()
    .option('-h, --help', `help for ${name}`)
    .option('-v, --v <Level>', 'how much is logged: from 4 on also what helps to find errors')
    .option('--version', 'print version information and quit').options;
}

const sortedOptions = (options: readonly Option[]): Option[] =>
  options.filter(({ hidden }) => !hidden).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));

const nameOf = (option: Option): string => (option.long ?? option.short ?? '').replace(/^-+/, '');

function parsedValue(option: Option, flag: string, value: string | undefined, previous: unknown): unknown {
  const invalid = (why: string): FlagError =>
    new FlagError(`invalid argument ${JSON.stringify(value)} for "--${flag}" flag: ${why}`);
  if (option.isBoolean()) {
    if (value !== 'true' && value !== 'false') throw invalid('give true or false');
    return value === 'true';
  }
  if (option.parseArg === undefined) return value;
  try {
    return option.parseArg(value ?? '', previous as never);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw invalid(error.message);
    throw error;
  }
}

/** The name within three changes of a letter, and of a third of its letters; undefined: none is near. Pure. */
export function nearestOf(name: string, known: readonly string[]): string | undefined {
  let nearest: { name: string; changes: number } | undefined;
  for (const one of known) {
    const changes = distance(name, one);
    if (changes < (nearest?.changes ?? Math.min(4, name.length / 3 + 0.5))) nearest = { name: one, changes };
  }
  return nearest?.name ?? (name.length < 4 ? undefined : known.find((one) => one.startsWith(name)));
}

/** Levenshtein's: how many letters are put in, left out or replaced. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of from.split('').entries()) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

function usages(options: readonly Option[], columns: number): string {
  const sorted = sortedOptions(options);
  const heads = sorted.map((option) => {
    const type = typeOf(option);
    const short = option.short === undefined ? '      ' : `  ${option.short}, `;
    return `${short}--${nameOf(option)}${type === '' ? '' : ` ${type}`}`;
  });
  const width = Math.max(...heads.map((head) => head.length)) + 3;
  return sorted
    .map((option, index) => {
      const text = `${option.description}${defaultText(option)}`;
      const lines = wrapped(text, columns === 0 ? 0 : Math.max(24, columns - width));
      return `${(heads[index] ?? '').padEnd(width)}${lines.join(`\n${' '.repeat(width)}`)}\n`;
    })
    .join('');
}

const types: Readonly<Record<string, string>> = {
  n: 'int',
  count: 'int',
  bits: 'int',
  port: 'int',
  ratio: 'float',
  names: 'strings',
  cidrs: 'strings',
  modes: 'strings',
  modules: 'strings',
  duration: 'duration',
  address: 'ip',
  'first-last': 'portRange',
  pairs: 'mapStringString',
  level: 'string',
  Level: 'Level',
};

/** pflag's name of the type; '' of flags that are true or false. */
function typeOf(option: Option): string {
  if (!option.required) return '';
  const placeholder = /<([^>]+)>/.exec(option.flags)?.[1] ?? '';
  return types[placeholder] ?? (Array.isArray(option.defaultValue) ? 'strings' : 'string');
}

/** pflag leaves out what is the zero of its type. */
function defaultText(option: Option): string {
  const value: unknown = option.defaultValue;
  if (value === undefined || value === false || value === 0 || value === '') return '';
  const type = typeOf(option);
  if (type === 'duration') return ` (default ${formatDuration(value as number)})`;
  if (Array.isArray(value)) return value.length === 0 ? '' : ` (default [${value.join(',')}])`;
  if (typeof value === 'object' && value !== null) {
    const { first, last } = value as { first?: unknown; last?: unknown };
    return first === undefined ? '' : ` (default ${String(first)}-${String(last)})`;
  }
  return type === 'string' ? ` (default ${JSON.stringify(value)})` : ` (default ${String(value)})`;
}

function wrapped(text: string, columns: number): string[] {
  if (columns === 0 || text.length <= columns) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
