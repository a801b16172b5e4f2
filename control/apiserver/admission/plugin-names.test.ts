import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allPluginNames, isPluginEnabled, type PluginChoice, pluginChoiceProblems } from './plugin-names.ts';
import { admissionPlugins, allAdmissionPlugins } from './plugins/index.ts';

const choice = (enable: string[], disable: string[] = []): PluginChoice => ({ enable, disable });
const none = choice([]);

describe('the choice of admission plugins', () => {
  it("has upstream's order", () => {
    const names: readonly string[] = allAdmissionPlugins({ random: () => 0 }).map(({ name }) => name);
    assert.deepEqual(
      names,
      allPluginNames.filter((name) => names.includes(name)),
    );
  });

  it('has every plugin that may be switched on', () => {
    const names = allAdmissionPlugins({ random: () => 0 }).map(({ name }) => name);
    for (const name of allPluginNames.filter((one) => !isPluginEnabled(one, none))) {
      assert.deepEqual(pluginChoiceProblems(choice([name])), [], name);
      assert.ok(names.includes(name), name);
    }
  });

  const problems: [PluginChoice, string[]][] = [
    [none, []],
    [choice(['AlwaysPullImages', 'PodSecurity'], ['LimitRanger']), []],
    [choice(['podsecurity']), ['enable-admission-plugins plugin "podsecurity" is unknown']],
    [choice([], ['Odd', 'EventRateLimit']), ['disable-admission-plugins plugin "Odd" is unknown']],
    [
      choice(['PodSecurity', 'LimitRanger'], ['PodSecurity', 'LimitRanger']),
      ['[LimitRanger PodSecurity] in enable-admission-plugins and disable-admission-plugins overlapped'],
    ],
  ];
  for (const [given, expected] of problems)
    it(`finds in ${JSON.stringify(given)}: ${expected.join() || 'nothing wrong'}`, () => {
      assert.deepEqual(pluginChoiceProblems(given), expected);
    });

  it('decides which are asked', () => {
    const names = (given: PluginChoice): string[] => admissionPlugins({ random: () => 0, choice: given }).map(({ name }) => name);
    const usual = names(none);
    assert.ok(usual.includes('PodTopologyLabels') && !usual.includes('AlwaysDeny') && !usual.includes('AlwaysPullImages'));
    assert.deepEqual(
      names(choice(['AlwaysPullImages'], ['PodSecurity', 'NodeRestriction'])),
      ['AlwaysPullImages', ...usual]
        .filter((name) => name !== 'PodSecurity' && name !== 'NodeRestriction')
        .sort((a, b) => order(a) - order(b)),
    );
  });
});

const order = (name: string): number => (allPluginNames as readonly string[]).indexOf(name);
