import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Command } from 'commander';
import { boolean, count, durationMs, names } from '../flags.ts';
import { FlagSet, nearestOf } from './flag-set.ts';

interface Flags {
  leaderElect: boolean;
  securePort: number;
  retryPeriod: number;
  names: string[];
  kubeconfig: string | undefined;
}

const set = new FlagSet<Flags>(
  'kube-x',
  'About x.',
  [
    {
      title: 'Generic',
      add: (command: Command) =>
        command
          .option('--leader-elect [bool]', 'one leads', boolean, true)
          .option('--secure-port <port>', 'the port', count, 10_257)
          .option('--retry-period <duration>', 'between tries', durationMs, 90_000),
    },
    {
      title: 'Misc',
      add: (command: Command) =>
        command.option('--names <names>', 'names', names, []).option('--kubeconfig <file>', 'how the API server is reached'),
    },
  ],
  { 'cluster-name': { why: 'nothing is called so' }, profiling: { type: 'bool', why: 'there are no profiles' } },
);

describe('flags, as pflag reads them', () => {
  const cases: [name: string, argv: string[], expected: Partial<Flags>][] = [
    ['defaults', [], { leaderElect: true, securePort: 10_257, names: [], kubeconfig: undefined }],
    [
      'a value after a space or an equals sign',
      ['--secure-port', '1', '--kubeconfig=/a=b'],
      { securePort: 1, kubeconfig: '/a=b' },
    ],
    ['a value that looks like a flag', ['--kubeconfig', '--leader-elect'], { kubeconfig: '--leader-elect', leaderElect: true }],
    ['true and false only behind an equals sign', ['--leader-elect=false'], { leaderElect: false }],
    ['Go spells true in several ways', ['--leader-elect=T'], { leaderElect: true }],
    ['lists that are given often', ['--names=a,b', '--names', 'c'], { names: ['a', 'b', 'c'] }],
    ['underscores', ['--secure_port=5'], { securePort: 5 }],
    ['the last one wins', ['--secure-port=5', '--secure-port=6'], { securePort: 6 }],
    ['durations of Go', ['--retry-period=1m30s'], { retryPeriod: 90_000 }],
  ];
  for (const [name, argv, expected] of cases) {
    it(name, () => {
      const { flags } = set.parse(argv);
      for (const [key, value] of Object.entries(expected)) assert.deepEqual(flags[key as keyof Flags], value);
    });
  }

  const wrong: [argv: string[], message: string][] = [
    [['--secure-prot=1'], 'unknown flag: --secure-prot; did you mean --secure-port?'],
    [['--nothing-like-it'], 'unknown flag: --nothing-like-it'],
    [['-x'], "unknown shorthand flag: 'x' in -x"],
    [['--secure-port'], 'flag needs an argument: --secure-port'],
    [['--secure-port=a'], 'invalid argument "a" for "--secure-port" flag: Give a whole number.'],
    [['--leader-elect', 'false'], '"kube-x" does not take any arguments, got ["false"]'],
    [['--leader-elect=maybe'], 'invalid argument "maybe" for "--leader-elect" flag: Give true or false.'],
    [['serve'], '"kube-x" does not take any arguments, got ["serve"]'],
    [['--v=many'], 'invalid argument "many" for "-v, --v" flag: give a number'],
  ];
  for (const [argv, message] of wrong)
    it(`refuses ${argv.join(' ')}`, () => assert.throws(() => set.parse(argv), { name: 'FlagError', message }));

  it('says of upstream flags that change nothing why', () => {
    const { warnings, given } = set.parse(['--cluster-name=x', '--profiling', '-v=4', '--v', '2', '-v3']);
    assert.deepEqual(warnings, [
      '--cluster-name has no effect: nothing is called so',
      '--profiling has no effect: there are no profiles',
    ]);
    assert.deepEqual([...given], ['cluster-name', 'profiling']);
  });

  it('reads the level of the log, help and version', () => {
    assert.equal(set.parse(['-v=4']).verbosity, 4);
    assert.equal(set.parse(['--v', '2']).verbosity, 2);
    assert.equal(set.parse(['-v6']).verbosity, 6);
    assert.equal(set.parse(['-h']).asked, 'help');
    assert.equal(set.parse(['--version']).asked, 'version');
  });

  it('shows its flags by sections, with types and defaults', () => {
    assert.equal(
      set.help(),
      `About x.

Usage:
  kube-x [flags]

Generic flags:

      --leader-elect            one leads (default true)
      --retry-period duration   between tries (default 1m30s)
      --secure-port int         the port (default 10257)

Misc flags:

      --kubeconfig string   how the API server is reached
      --names strings       names

Global flags:

  -h, --help      help for kube-x
  -v, --v Level   how much is logged: from 4 on also what helps to find errors
      --version   print version information and quit
`,
    );
  });

  it('breaks lines where the terminal ends', () => {
    for (const line of set.help(60).split('\n')) assert.ok(line.length <= 60, line);
  });

  it('knows the nearest name', () => {
    assert.equal(nearestOf('kubeconfg', ['kubeconfig', 'config']), 'kubeconfig');
    assert.equal(nearestOf('authorization', ['authorization-mode']), 'authorization-mode');
    assert.equal(nearestOf('zzz', ['config']), undefined);
  });
});
