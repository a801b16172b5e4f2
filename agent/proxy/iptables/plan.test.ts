import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atOnce } from '#api/steps.ts';
import { endpoint, service, slice } from '../objects.testing.ts';
import { buildServiceState } from '../state.ts';
import { fullPlanSteps, parseSave } from './restore.ts';
import { type CompiledState, compileRuleset, compileState, type Ruleset, renderRuleset } from './ruleset.ts';

const few = { chains: 5, edits: 3 };

function state(count: number, second: string) {
  const keys = Array.from({ length: count }, (_, index) => `default/s${index}`);
  const services = keys.map((key, index) =>
    service(key, `10.96.0.${index + 1}`, [{ port: 80, ...(index % 2 === 0 ? { nodePort: 30000 + index } : {}) }]),
  );
  const endpointSlices = keys.map((key) => slice(key, [{ port: 8080 }], [endpoint('10.0.0.1'), endpoint(second)]));
  return buildServiceState({ services, endpointSlices }, { nodeName: 'here' });
}

type Kernel = Record<'nat' | 'filter' | 'mangle', Map<string, string[]>>;

function kernelWith(rules?: Ruleset): Kernel {
  const saved = parseSave(rules === undefined ? '*nat\n*filter\n' : renderRuleset(rules)) as unknown as Kernel;
  for (const chain of ['PREROUTING', 'OUTPUT', 'POSTROUTING']) saved.nat.set(chain, []);
  for (const chain of ['INPUT', 'FORWARD', 'OUTPUT']) saved.filter.set(chain, []);
  return saved;
}

/** Does with `kernel` what iptables-restore would, and checks what the kernel checks at each commit. */
function restore(kernel: Kernel, input: string): void {
  let table: keyof Kernel = 'nat';
  for (const line of input.split('\n')) {
    const [command = '', chain = '', ...rest] = line.split(' ');
    const rules = kernel[table].get(chain);
    const rule = rest.join(' ');
    if (command.startsWith('*')) table = command.slice(1) as keyof Kernel;
    else if (command.startsWith(':')) kernel[table].set(command.slice(1), []);
    else if (command === '-X') {
      assert.deepEqual(rules, [], `${chain} is deleted while it has rules`);
      kernel[table].delete(chain);
    } else if (command === 'COMMIT') {
      for (const [from, lines] of kernel[table])
        for (const to of lines.flatMap((one) => /-j (KUBE-\S+)/.exec(one)?.[1] ?? []))
          assert.ok(kernel[table].has(to), `${from} jumps to ${to}, which is not there`);
    } else if (command !== '') {
      assert.ok(rules, `no chain ${chain} for ${line}`);
      if (command === '-A') rules.push(rule);
      else if (command === '-I') rules.unshift(rule.replace(/^1 /, ''));
      else if (command === '-D') {
        const at = rules.indexOf(rule);
        assert.notEqual(at, -1, `no such rule: ${line}`);
        rules.splice(at, 1);
      } else assert.fail(line);
    }
  }
}

const inputs = (next: CompiledState, kernel: Kernel, limits = few): string[] => [
  ...atOnce(fullPlanSteps(next, kernel)).inputs(limits),
];

/** The chains with their rules; the order of services within a shared chain has no meaning. */
const chainsOf = (kernel: Kernel): string[] =>
  Object.entries(kernel)
    .flatMap(([table, chains]) => [...chains].map(([chain, rules]) => [table, chain, ...rules.toSorted()].join('\n')))
    .sort();

describe('Plan', () => {
  for (const [what, from, to] of [
    ['an empty kernel', 0, 20],
    ['other services', 3, 20],
    ['many services that are gone', 40, 2],
  ] as const) {
    it(`reaches from ${what} the rules of one full write, in small commits without a dangling jump`, () => {
      const kernel = from === 0 ? kernelWith() : kernelWith(compileRuleset(state(from, '10.0.0.2')));
      const next = compileState(state(to, '10.0.0.3'));
      const texts = inputs(next, kernel);
      assert.ok(texts.length > 5);
      for (const text of texts) restore(kernel, text);
      const expected = kernelWith(compileRuleset(state(to, '10.0.0.3')));
      for (const table of ['nat', 'filter'] as const)
        for (const chain of ['PREROUTING', 'OUTPUT', 'POSTROUTING', 'INPUT', 'FORWARD']) {
          kernel[table].delete(chain);
          expected[table].delete(chain);
        }
      assert.deepEqual(chainsOf(kernel), chainsOf(expected));
      assert.match(kernel.nat.get('KUBE-SERVICES')?.at(-1) ?? '', /must be the last rule/);
    });
  }

  it('has nothing to write when the kernel holds the rules', () => {
    const kernel = kernelWith();
    const next = compileState(state(20, '10.0.0.3'));
    for (const text of inputs(next, kernel)) restore(kernel, text);
    assert.deepEqual(inputs(next, kernel), []);
  });

  it('is one commit per table when it is small', () => {
    assert.equal(inputs(compileState(state(20, '10.0.0.3')), kernelWith(), { chains: 1000, edits: 1000 }).length, 1);
  });
});
