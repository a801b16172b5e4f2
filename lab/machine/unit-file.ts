/**
 * Unit files of services, as systemd reads them: the few settings that a lab's machines need. Source: systemd.unit(5), systemd.service(5),
 * systemd.syntax(7), systemd.exec(5).
 */

/** A service as its unit file describes it. */
export interface Unit {
  /** Without `.service`. */
  name: string;
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  workingDirectory: string | undefined;
  restart: 'no' | 'on-failure' | 'always';
  restartMs: number;
  /** SIGKILL follows SIGTERM after this time, in milliseconds. */
  stopMs: number;
  /** Started with the machine: it has `WantedBy=`. */
  isEnabled: boolean;
  /** The services that are started before it, where they are there. */
  after: readonly string[];
  /** Settings that are not heeded here. */
  ignored: readonly string[];
}

/** A unit file that cannot be used. */
export class UnitFileError extends Error {
  override name = 'UnitFileError';
}

/** Settings without an effect on a machine without systemd. */
const harmless = new Set([
  'Unit.Description',
  'Unit.Documentation',
  'Unit.Wants',
  'Unit.Requires',
  'Service.Type',
  'Service.KillMode',
]);

/** Reads a unit file. Pure. @throws UnitFileError */
export function parseUnit(name: string, text: string): Unit {
  const settings = readSettings(text);
  const last = (key: string): string | undefined => settings.get(key)?.at(-1);
  const exec = last('Service.ExecStart');
  if (exec === undefined || exec === '') throw new UnitFileError(`${name}.service: Service has no ExecStart= setting`);
  const restart = last('Service.Restart') ?? 'no';
  if (restart !== 'no' && restart !== 'on-failure' && restart !== 'always')
    throw new UnitFileError(`${name}.service: Restart=${restart}: give no, on-failure or always`);
  const span = (key: string, byDefault: string): number => {
    const text = last(key) ?? byDefault;
    const ms = spanMs(text);
    if (ms === undefined)
      throw new UnitFileError(`${name}.service: ${key.replace('Service.', '')}=${text}: give a time such as 90, 500ms or 2min`);
    return ms;
  };
  const used = new Set([
    'Unit.After',
    'Service.ExecStart',
    'Service.Environment',
    'Service.WorkingDirectory',
    'Service.Restart',
    'Service.RestartSec',
    'Service.TimeoutStopSec',
    'Install.WantedBy',
  ]);
  return {
    name,
    argv: splitWords(exec),
    env: Object.fromEntries((settings.get('Service.Environment') ?? []).flatMap(splitWords).map(assignment)),
    workingDirectory: last('Service.WorkingDirectory'),
    restart,
    restartMs: span('Service.RestartSec', '100ms'),
    stopMs: span('Service.TimeoutStopSec', '10s'),
    isEnabled: settings.has('Install.WantedBy'),
    after: (settings.get('Unit.After') ?? []).flatMap(splitWords).map((unit) => unit.replace(/\.service$/, '')),
    ignored: [...settings.keys()].filter((key) => !used.has(key) && !harmless.has(key)),
  };
}

/** By `Section.Key`; an empty value takes back what was before it. */
function readSettings(text: string): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  let section = '';
  for (const line of text
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((one) => one.trim())) {
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const [, heading] = /^\[(.+)\]$/.exec(line) ?? [];
    if (heading !== undefined) section = heading;
    const [, key, value = ''] = heading === undefined ? (/^([^=]+?)\s*=\s*(.*)$/.exec(line) ?? []) : [];
    if (key === undefined) continue;
    const path = `${section}.${key}`;
    settings.set(path, value === '' ? [] : [...(settings.get(path) ?? []), value]);
  }
  return settings;
}

/** The words of a line; quotes hold white space, and a backslash takes the meaning of the next character. Pure. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const character = line[at] as string;
    if (character === '\\' && at + 1 < line.length) word = (word ?? '') + line[++at];
    else if (quote !== '') {
      if (character === quote) quote = '';
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  return word === undefined ? words : [...words, word];
}

function assignment(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** A time span in seconds without a unit, or in `ms`, `s`, `min`. Undefined: it is none. */
function spanMs(text: string): number | undefined {
  const [, count, unit = 's'] = /^(\d+(?:\.\d+)?)\s*(ms|s|min)?$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * ({ ms: 1, s: 1000, min: 60_000 }[unit] ?? 1000);
}

/** What a unit file of ours says. */
export interface UnitContent {
  description: string;
  argv: readonly string[];
  /** Names of other services. */
  after?: readonly string[];
  env?: Record<string, string>;
}

/** The text of a unit file. Pure. */
export function unitText(unit: UnitContent): string {
  const [program = '', ...flags] = unit.argv;
  return [
    '[Unit]',
    `Description=${unit.description}`,
    'Documentation=https://kubernetes.io/docs/',
    ...(unit.after === undefined ? [] : [`After=${unit.after.map((name) => `${name}.service`).join(' ')}`]),
    '',
    '[Service]',
    ...Object.entries(unit.env ?? {}).map(([name, value]) => `Environment=${name}=${value}`),
    `ExecStart=${[program, ...flags].join(' \\\n  ')}`,
    'Restart=always',
    'RestartSec=1',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
}
