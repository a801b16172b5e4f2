import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { ManifestFiles } from '#agent/host/manifest-files.ts';
import type { Pod } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { FileSource } from './file-source.ts';

/** A folder in memory; `tell` is the kernel's event for one of its files. */
class Folder implements ManifestFiles {
  readonly contents = new Map<string, string>();
  isThere = true;
  tell: (name: string) => void = () => undefined;
  async kindOf(path: string): Promise<'folder' | 'file' | 'other' | undefined> {
    if (path === '/m') return this.isThere ? 'folder' : undefined;
    const text = this.contents.get(path.slice(3));
    return text === undefined ? undefined : text === 'FOLDER' ? 'folder' : text === 'FIFO' ? 'other' : 'file';
  }
  async names(): Promise<string[]> {
    return [...this.contents.keys()].sort();
  }
  async read(path: string): Promise<Uint8Array> {
    return Buffer.from(this.contents.get(path.slice(3)) ?? '');
  }
  watch(_path: string, changed: (name: string) => void, signal: AbortSignal): Promise<void> {
    this.tell = changed;
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }
}

function setUp(contents: Record<string, string>) {
  const folder = new Folder();
  for (const [name, text] of Object.entries(contents)) folder.contents.set(name, text);
  const clock = new FakeClock();
  const errors: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(JSON.parse(line).msg) });
  let pods: readonly Pod[] = [];
  const manifests = {
    readAll: () => [],
    read(bytes: Uint8Array, _where: string, identify: (pod: Pod) => Pod): Pod {
      const name = Buffer.from(bytes).toString();
      if (name.includes('{')) throw new Error('no pod');
      return identify({ apiVersion: 'v1', kind: 'Pod', metadata: { name } as Pod['metadata'], spec: { containers: [] } });
    },
  };
  const source = new FileSource(
    { files: folder, manifests, clock, log, found: (all) => void (pods = all) },
    { path: '/m/', nodeName: 'n1', everyMs: 20_000 },
  );
  const stop = new AbortController();
  const running = source.run(stop.signal);
  const settle = async (ms = 0): Promise<string[]> => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(ms);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    return pods.map(({ metadata }) => metadata.name);
  };
  const end = async (): Promise<void> => {
    stop.abort();
    await settle(60_000);
    await running;
  };
  return { folder, settle, end, errors };
}

describe('a folder of manifests', () => {
  it('is read at once, in the order of names; hidden files, folders and devices are left out', async () => {
    const { settle, end, errors } = setUp({ b: 'two', a: 'one', '.c.swp': 'three', d: 'FOLDER', e: 'FIFO' });
    assert.deepEqual(await settle(), ['one-n1', 'two-n1']);
    assert.ok(errors.includes('Provided manifest path is a directory, not recursing into manifest path'));
    assert.ok(errors.includes('Manifest path is not a directory or file'));
    await end();
  });

  it('is followed: a new file, a changed one, a removed one', async () => {
    const { folder, settle, end } = setUp({ a: 'one' });
    await settle();
    folder.contents.set('b', 'two');
    folder.tell('b');
    assert.deepEqual(await settle(), ['one-n1', 'two-n1']);
    folder.contents.set('a', 'three');
    folder.tell('a');
    assert.deepEqual(await settle(), ['three-n1', 'two-n1']);
    folder.contents.delete('a');
    folder.tell('a');
    assert.deepEqual(await settle(), ['two-n1']);
    await end();
  });

  it('keeps the pod of a manifest that breaks until all are read again, and takes it when it is mended', async () => {
    const { folder, settle, end, errors } = setUp({ a: 'one', b: 'two' });
    await settle();
    folder.contents.set('a', '{');
    folder.tell('a');
    assert.deepEqual(await settle(), ['one-n1', 'two-n1']);
    assert.ok(errors.includes(`can't process config file "/m/a"`));
    assert.deepEqual(await settle(20_000), ['two-n1']);
    assert.ok(errors.includes('Could not process manifest file'));
    folder.contents.set('a', 'one');
    folder.tell('a');
    assert.deepEqual((await settle()).sort(), ['one-n1', 'two-n1']);
    await end();
  });

  it('sees with the next look what no event told, and a folder that comes later or goes', async () => {
    const { folder, settle, end } = setUp({ a: 'one' });
    await settle();
    folder.contents.set('b', 'two');
    assert.deepEqual(await settle(20_000), ['one-n1', 'two-n1']);
    folder.isThere = false;
    assert.deepEqual(await settle(20_000), []);
    folder.isThere = true;
    assert.deepEqual(await settle(20_000), ['one-n1', 'two-n1']);
    await end();
  });
});
