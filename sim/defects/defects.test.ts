/** The proof that the simulation finds bugs: known kinds of them, planted one at a time. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { SimulationThread } from '../pool.ts';
import { scenariosOf } from '../scenarios/index.ts';
import { defects } from './defects.ts';
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

  it('are found, each by the world of its seed', { timeout: 900_000 }, async () => {
    const waiting = defects.filter(({ shownBy }) => shownBy !== undefined).values();
    const missed: string[] = [];
    const work = async (): Promise<void> => {
      for (const { name, shownBy = '' } of waiting) {
        const thread = new SimulationThread({ defect: name });
        const { violation } = await thread.run(shownBy).finally(() => thread.stop());
        if (violation === undefined) missed.push(name);
      }
    };
    await Promise.all([work(), work()]);
    assert.deepEqual(missed, []);
  });
});
