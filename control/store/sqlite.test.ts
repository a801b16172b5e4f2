import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { FakeClock } from '#client/clock.ts';
import { StoreError } from './errors.ts';
import { createSqliteStore } from './sqlite.ts';
import { storeContract } from './store.contract.ts';
import type { Store } from './store.ts';

const run = promisify(execFile);
const root = mkdtempSync(join(tmpdir(), 'tinkernetes-store-'));
after(() => rmSync(root, { recursive: true, force: true }));
let files = 0;
const freshPath = (): string => join(root, `${files++}`, 'store.db');
const drain = async (watch: ReturnType<Store['watch']>): Promise<void> => {
  for await (const { events } of watch) assert.ok(events.length <= 1);
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

storeContract('sqlite', async () => {
  const clock = new FakeClock();
  const store = await createSqliteStore({ path: freshPath(), clock });
  return { store, advance: (byMs) => clock.advance(byMs), dispose: () => store.close() };
});

async function withStore<T>(path: string, use: (store: Store) => Promise<T>, clock = new FakeClock()): Promise<T> {
  const store = await createSqliteStore({ path, clock });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

describe('sqlite store: its file', () => {
  it('is readable by its owner only', async () => {
    const path = freshPath();
    await withStore(path, async (store) => {
      await store.put('/a', bytes('v'));
      for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600, file);
    });
  });

  it('keeps state, revisions, history and compaction over a restart', async () => {
    const path = freshPath();
    await withStore(path, async (store) => {
      for (const value of ['1', '2', '3']) await store.put('/a', bytes(value));
      await store.delete('/a');
      await store.compact(4);
    });
    await withStore(path, async (store) => {
      assert.deepEqual([store.currentRevision(), store.compactRevision()], [4, 4]);
      assert.equal((await store.put('/a', bytes('4'), { expectedRevision: 0 })).revision, 5);
    });
  });

  it('gives a lease its full time again after a restart, as etcd does', async () => {
    const path = freshPath();
    const clock = new FakeClock();
    const lease = await withStore(
      path,
      async (store) => {
        const granted = await store.grantLease(10);
        await store.put('/a', bytes('v'), { lease: granted });
        await clock.advance(9_000);
        return granted;
      },
      clock,
    );
    await withStore(
      path,
      async (store) => {
        await clock.advance(9_000);
        await store.renewLease(lease);
        await clock.advance(9_000);
        assert.ok((await store.get('/a')).entry !== undefined);
        const stop = new AbortController();
        const watch = store.watch('/a', store.currentRevision(), stop.signal)[Symbol.asyncIterator]();
        await watch.next();
        await clock.advance(2_000);
        assert.equal((await watch.next()).value?.events[0]?.type, 'delete');
        stop.abort();
      },
      clock,
    );
  });

  it('becomes smaller by compaction', async () => {
    const path = freshPath();
    const size = async (compact: boolean): Promise<number> => {
      await withStore(path, async (store) => {
        if (compact) await store.compact(store.currentRevision());
        else for (let round = 0; round < 40; round++) await store.put('/big', new Uint8Array(100_000));
      });
      return statSync(path).size;
    };
    const full = await size(false);
    const compacted = await size(true);
    assert.ok(full > 4_000_000 && compacted < full / 4, `${full} → ${compacted}`);
  });

  it('refuses a second user, who is told what to do', async () => {
    const path = freshPath();
    await withStore(path, async (store) => {
      await assert.rejects(createSqliteStore({ path }), /already open in this process/);
      const second =
        "import { createSqliteStore } from './control/store/sqlite.ts'; await createSqliteStore({ path: process.argv[1] });";
      const cwd = fileURLToPath(new URL('../../', import.meta.url));
      await assert.rejects(
        run(process.execPath, ['--input-type=module', '-e', second, path], { cwd, timeout: 20_000 }),
        /in use by another process: stop that one/,
      );
      assert.equal((await store.put('/a', bytes('v'))).kind, 'ok');
    });
  });

  const strangers: [name: string, code: StoreError['code'], make: (path: string) => void | Promise<void>][] = [
    ['a text file', 'foreign', (path) => writeFileSync(path, 'not a database at all')],
    ['an empty file', 'foreign', (path) => writeFileSync(path, '')],
    [
      'another program’s database',
      'foreign',
      (path) => {
        const other = new DatabaseSync(path);
        other.exec('CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)');
        other.close();
      },
    ],
    [
      'a store of a later format',
      'foreign',
      async (path) => {
        await withStore(path, async () => undefined);
        const later = new DatabaseSync(path);
        later.exec('PRAGMA user_version = 99');
        later.close();
      },
    ],
    [
      'a store with a damaged page',
      'corrupt',
      async (path) => {
        await withStore(path, async (store) => {
          for (let index = 0; index < 200; index++) await store.put(`/${index}`, new Uint8Array(500));
        });
        const content = readFileSync(path);
        writeFileSync(path, content.fill(0xa5, 4096 * 3, 4096 * 12));
      },
    ],
    ['a store cut off in its header', 'corrupt', (path) => writeFileSync(path, 'SQLite format 3\0')],
  ];
  for (const [name, code, make] of strangers) {
    it(`does not open ${name}, says where, and leaves it as it is`, async () => {
      const path = join(mkdtempSync(join(root, 'x')), 'store.db');
      await make(path);
      const before = readFileSync(path);
      const opening = createSqliteStore({ path });
      await assert.rejects(
        opening,
        (error) => error instanceof StoreError && error.code === code && error.message.includes(path),
      );
      assert.ok(before.equals(readFileSync(path)));
    });
  }

  it('refuses what does not fit on a full disk, and goes on', async (t) => {
    const mount = mkdtempSync(join(root, 'full'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount]);
    t.after(() => run('umount', [mount]));
    await withStore(join(mount, 'store.db'), async (store) => {
      const first = await store.put('/small', bytes('1'));
      const [big, small] = await Promise.allSettled([
        store.put('/big', new Uint8Array(3 << 20)),
        store.put('/small', bytes('2')),
      ]);
      assert.ok(
        big.status === 'rejected' && /no space left on the disk, the change was not made/.test(String(big.reason)),
        String(big.status),
      );
      assert.ok(small.status === 'fulfilled' && small.value.revision === first.revision + 1);
      assert.equal((await store.get('/big')).entry, undefined);
    });
  });

  it('refuses work after it was closed and finishes what was asked before', async () => {
    const store = await createSqliteStore({ path: freshPath() });
    const last = store.put('/a', bytes('v'));
    const idle = drain(store.watch('/a', 0, new AbortController().signal));
    const closed = store.close();
    await assert.rejects(store.put('/b', bytes('v')), /has been closed/);
    assert.equal((await last).kind, 'ok');
    await Promise.all([closed, store.close(), idle]);
  });

  it('runs with its worker bundled as text, as in a single executable', async () => {
    const worker = fileURLToPath(new URL('./sqlite-worker.ts', import.meta.url));
    const bundle = await build({
      entryPoints: [worker],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      write: false,
      logLevel: 'silent',
    });
    const store = await createSqliteStore({ path: freshPath(), worker: { code: bundle.outputFiles[0]?.text ?? '' } });
    assert.equal((await store.put('/a', bytes('v'))).revision, 1);
    await store.close();
  });
});

/** A writer that prints each revision only once the store has acknowledged it, until it is killed. */
const WRITER = `
  import { createSqliteStore } from './control/store/sqlite.ts';
  const store = await createSqliteStore({ path: process.argv[1] });
  const compactor = async () => { for (;;) { await new Promise(setImmediate); if (store.currentRevision() > store.compactRevision() + 500) await store.compact(store.currentRevision() - 200); } };
  const writer = async (name) => {
    for (let n = 0; ; n++) {
      const { revision } = await store.put('/' + name + '/' + n, new TextEncoder().encode(name + n));
      process.stdout.write(revision + ' /' + name + '/' + n + '\\n');
    }
  };
  await Promise.all([compactor(), ...['a', 'b', 'c', 'd'].map(writer)]);
`;

describe('sqlite store: kill -9', () => {
  it('has every acknowledged write, in order, and no revision twice', { timeout: 120_000 }, async () => {
    const path = freshPath();
    const cwd = fileURLToPath(new URL('../../', import.meta.url));
    let newest = 0;
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, path], {
        cwd,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const killAfter = 1 + Math.floor(Math.random() * 1_500);
      const acknowledged: [revision: number, key: string][] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        const [revision, key] = line.split(' ');
        if (key !== undefined) acknowledged.push([Number(revision), key]);
        if (acknowledged.length === killAfter) child.kill('SIGKILL');
      }
      if (child.signalCode === null && child.exitCode === null) await once(child, 'exit');
      assert.equal(child.signalCode, 'SIGKILL', 'the writer ended by itself');
      const revisions = acknowledged.map(([revision]) => revision);
      assert.ok((revisions[0] ?? 0) > newest, 'a revision was given again after a crash');
      assert.equal(new Set(revisions).size, revisions.length);
      await withStore(path, async (store) => {
        for (const [revision, key] of acknowledged)
          assert.equal((await store.get(key)).entry?.modRevision, revision, `${key} after round ${round}`);
        newest = store.currentRevision();
        assert.ok(newest >= Math.max(...revisions));
      });
    }
  });
});
