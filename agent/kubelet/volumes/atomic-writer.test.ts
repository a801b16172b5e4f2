import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Folder } from '#agent/host/safe-open.ts';
import type { Payload } from './atomic-writer.ts';
import { checkPayloadPath, writeAtomically as writeInto } from './atomic-writer.ts';

async function writeAtomically(target: string, files: Payload, prepare?: () => Promise<void>): Promise<boolean> {
  await using folder = await Folder.open(target);
  return await writeInto(folder, files, prepare);
}

const payload = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

describe('atomic writer', () => {
  let target: string;
  beforeEach(async () => {
    target = await mkdtemp(join(tmpdir(), 'atomic-writer-'));
  });
  afterEach(() => rm(target, { recursive: true, force: true }));
  const visible = async (): Promise<string[]> => (await readdir(target)).filter((name) => !name.startsWith('..')).sort();
  const hidden = async (): Promise<number> => (await readdir(target)).filter((name) => name.startsWith('..')).length;

  it('shows files through the data link', async () => {
    assert.equal(await writeAtomically(target, payload({ a: '1', 'dir/b': '2' }, 0o400)), true);
    assert.deepEqual(await visible(), ['a', 'dir']);
    assert.equal(await readlink(join(target, 'a')), '..data/a');
    assert.equal(await readFile(join(target, 'dir/b'), 'utf8'), '2');
    assert.equal((await stat(join(target, 'a'))).mode & 0o777, 0o400);
  });
  it('leaves everything as it is when nothing changed', async () => {
    await writeAtomically(target, payload({ a: '1' }));
    const before = await readlink(join(target, '..data'));
    assert.equal(await writeAtomically(target, payload({ a: '1' })), false);
    assert.equal(await readlink(join(target, '..data')), before);
  });
  const changes: [string, Payload, string[]][] = [
    ['a changed file', payload({ a: '2' }), ['a']],
    ['a new file', payload({ a: '1', b: 'x' }), ['a', 'b']],
    ['a file that is gone', payload({ b: 'x' }), ['b']],
    ['another mode', payload({ a: '1' }, 0o600), ['a']],
    ['no files at all', payload({}), []],
  ];
  for (const [name, next, names] of changes) {
    it(`swaps to ${name}, and removes the old directory`, async () => {
      await writeAtomically(target, payload({ a: '1' }));
      assert.equal(await writeAtomically(target, next), true);
      assert.deepEqual(await visible(), names);
      for (const [path, { data }] of next) assert.deepEqual(await readFile(join(target, path)), Buffer.from(data));
      assert.equal(await hidden(), 2);
    });
  }
  it('keeps the old files when new ones cannot be prepared', async () => {
    await writeAtomically(target, payload({ a: '1' }));
    await assert.rejects(
      writeAtomically(target, payload({ a: '2' }), () => Promise.reject(new Error('no'))),
      { message: 'no' },
    );
    assert.equal(await readFile(join(target, 'a'), 'utf8'), '1');
    assert.equal(await hidden(), 2);
  });
  for (const path of ['/etc/passwd', '../x', 'a/../../x', '..data', ''])
    it(`refuses the path ${JSON.stringify(path)}`, () => assert.throws(() => checkPayloadPath(path), /^Error: invalid path/));
});
