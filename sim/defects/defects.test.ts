/** The proof that the simulation finds bugs: known kinds of them, planted one at a time. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { SimulationThread } from '../pool.ts';
import { scenariosOf } from '../scenarios/index.ts';
import { type Defect, defects } from './defects.ts';
import { changed } from './plant.ts';

describe('planted defects', () => {
  for (const defect of defects) {
    it(`${defect.name}: its expressions are there, each once`, () => {
      for (const file of new Set(defect.edits.map((edit) => edit.file))) {
        const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
        const edits = defect.edits.filter((edit) => edit.file === file);
        assert.notEqual(changed(defect, file, source, edits), source);
      }
      if (defect.shownBy !== undefined) assert.ok(scenariosOf(defect.shownBy).some((name) => defect.scenarios.includes(name)));
    });
  }

  it('refuse to be planted where their expression is not there any more', () => {
    const edits = [{ file: 'a.ts', from: 'one', to: 'two' }];
    assert.throws(() => changed({ name: 'gone' }, 'a.ts', 'other', edits), /defect "gone": a.ts has 0 times/);
    assert.throws(() => changed({ name: 'twice' }, 'a.ts', 'one one', edits), /has 2 times/);
  });

  // A change anywhere in the control plane changes what a seed does, so a defect whose seed has gone stale is looked for in a few more worlds,
  // and some may be missed. `npm run sim -- --defects` searches for all of them.
  it('are found, most by the world of their seed', { timeout: 900_000 }, async (context) => {
    const shown = defects.filter(({ shownBy }) => shownBy !== undefined);
    const waiting = shown.values();
    const missed: string[] = [];
    const work = async (): Promise<void> => {
      for (const defect of waiting) if (!(await isFound(defect))) missed.push(defect.name);
    };
    await Promise.all([work(), work()]);
    context.diagnostic(`missed: ${missed.join(', ') || 'none'}`);
    assert.ok(missed.length <= shown.length / 4, `missed: ${missed.join(', ')}`);
  });
});

/** How many worlds besides the known one are tried. */
const furtherWorlds = 6;

async function isFound({ name, shownBy = '', scenarios }: Defect): Promise<boolean> {
  const others = Array.from({ length: 200 }, (_, index) => String(index + 1));
  const fitting = others.filter((seed) => scenariosOf(seed).some((scenario) => scenarios.includes(scenario)));
  const thread = new SimulationThread({ defect: name });
  try {
    for (const seed of [shownBy, ...fitting.slice(0, furtherWorlds)])
      if ((await thread.run(seed)).violation !== undefined) return true;
    return false;
  } finally {
    await thread.stop();
  }
}
