import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import type { Logger } from 'pino';
import { FakeClock } from '#client/clock.ts';
import { StoreError } from './errors.ts';
import { createSqliteStore } from './sqlite.ts';
import { storeContract } from './store.contract.ts';
import { CompactedError, type Store } from './store.ts';

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
      assert.deepEqual([await store.currentRevision(), store.compactRevision()], [4, 4]);
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
        const watch = store.watch('/a', await store.currentRevision(), stop.signal)[Symbol.asyncIterator]();
        await watch.next();
        await clock.advance(2_000);
        assert.equal((await watch.next()).value?.events[0]?.type, 'delete');
        stop.abort();
      },
      clock,
    );
  });

  it('shrinks after compaction', async () => {
    const path = freshPath();
    const size = async (compact: boolean): Promise<number> => {
      await withStore(path, async (store) => {
        if (compact) await store.compact(await store.currentRevision());
        else for (let round = 0; round < 40; round++) await store.put('/big', new Uint8Array(100_000));
      });
      return statSync(path).size;
    };
    const full = await size(false);
    const compacted = await size(true);
    assert.ok(full > 4_000_000 && compacted < full / 4, `${full} → ${compacted}`);
  });

  it('refuses a second process, with advice in the message', async () => {
    const path = freshPath();
    await withStore(path, async (store) => {
      await assert.rejects(createSqliteStore({ path }), /already open in this process/);
      const second =
        "import { createSqliteStore } from './control/store/sqlite.ts'; await createSqliteStore({ path: process.argv[1] });";
      const cwd = fileURLToPath(new URL('../../', import.meta.url));
      await assert.rejects(
        run(process.execPath, ['--input-type=module', '-e', second, path], { cwd, timeout: 120_000 }),
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
    it(`does not open ${name}, names the path, and does not change it`, async () => {
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

  it('refuses a write that does not fit on a full disk, and continues', async (t) => {
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

  /** Makes a small file system that a test can fill. */
  async function smallDisk(t: TestContext, size = '1m'): Promise<{ path: string; fill(): void; free(): void }> {
    const mount = mkdtempSync(join(root, 'full'));
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', mount]);
    t.after(() => run('umount', ['--lazy', mount]));
    const filler = join(mount, 'filler');
    return {
      path: join(mount, 'store.db'),
      fill() {
        const { bavail, bsize } = statfsSync(mount);
        writeFileSync(filler, Buffer.alloc(bavail * bsize));
      },
      free: () => rmSync(filler),
    };
  }

  const fails = 'store: writes fail; reads go on';
  const succeeds = 'store: writes succeed again';

  /** A log that tells when the store says something. */
  function recordingLog() {
    const messages: string[] = [];
    const waiting = new Map<string, () => void>();
    const say = (text: string): void => {
      messages.push(text);
      waiting.get(text)?.();
    };
    const log = { info: say, warn: () => {}, error: (_: object, text: string) => say(text) } as unknown as Logger;
    const until = async (text: string): Promise<void> => {
      if (!messages.includes(text)) await new Promise<void>((resolve) => waiting.set(text, resolve));
    };
    return { log, messages, until };
  }

  it('reports that writes fail while the disk is full, still reads, and recovers by itself', async (t) => {
    const disk = await smallDisk(t);
    const { log, messages, until } = recordingLog();
    const store = await createSqliteStore({ path: disk.path, log });
    t.after(() => store.close());
    await store.put('/a', bytes('before'));
    assert.equal(store.problem(), undefined);
    disk.fill();
    // The log may have some reserved space left.
    await assert.rejects(
      async () => {
        for (;;) await store.put('/a', new Uint8Array(20_000));
      },
      (error) => error instanceof StoreError && error.code === 'full',
    );
    assert.match(store.problem() ?? '', /no space left on the disk/);
    assert.equal((await store.get('/a')).entry?.key, '/a');
    disk.free();
    await until(succeeds);
    assert.equal(store.problem(), undefined);
    assert.equal((await store.put('/a', bytes('after'))).kind, 'ok');
    assert.deepEqual(messages, [fails, succeeds]);
  });

  it('detects a disk that fills while there are no writes', async (t) => {
    const disk = await smallDisk(t);
    const { log, until } = recordingLog();
    const store = await createSqliteStore({ path: disk.path, log });
    t.after(() => store.close());
    await store.put('/a', bytes('v'));
    disk.fill();
    await until(fails);
    assert.notEqual(store.problem(), undefined);
    disk.free();
    await until(succeeds);
    assert.equal(store.problem(), undefined);
  });

  it('does not report a problem for a write that is too large, once a smaller one has succeeded', async (t) => {
    const disk = await smallDisk(t);
    await withStore(disk.path, async (store) => {
      await assert.rejects(store.put('/big', new Uint8Array(3 << 20)));
      await store.put('/small', bytes('1'));
      assert.equal(store.problem(), undefined);
    });
  });

  it('refuses calls after close, and finishes those before it', async () => {
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

/** A program that prints each revision after the store has acknowledged it, until it is killed. */
const WRITER = `
  import { createSqliteStore } from './control/store/sqlite.ts';
  const store = await createSqliteStore({ path: process.argv[1] });
  const compactor = async () => { for (;;) { await new Promise(setImmediate); const now = await store.currentRevision(); if (now > store.compactRevision() + 500) await store.compact(now - 200); } };
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
        newest = await store.currentRevision();
        assert.ok(newest >= Math.max(...revisions));
      });
    }
  });
});

describe('sqlite store: a log that was cut', () => {
  /** Makes a store whose process was killed after `count` acknowledged writes. All of them are in the log. */
  async function killed(count: number): Promise<string> {
    const path = freshPath();
    const program = `
      import { createSqliteStore } from './control/store/sqlite.ts';
      const store = await createSqliteStore({ path: process.argv[1] });
      for (let n = 1; n <= ${count}; n++) await store.put('/key/' + n, new TextEncoder().encode('value ' + n));
      process.kill(process.pid, 'SIGKILL');
    `;
    const cwd = fileURLToPath(new URL('../../', import.meta.url));
    await assert.rejects(run(process.execPath, ['--input-type=module', '-e', program, path], { cwd, timeout: 120_000 }));
    assert.ok(statSync(`${path}-wal`).size > 0);
    return path;
  }

  /** Opens the store and returns its log messages, its number of keys and its revision. */
  async function opened(path: string): Promise<{ notes: [level: string, text: string][]; keys: number; revision: number }> {
    const notes: [string, string][] = [];
    const log = { warn: (text: string) => notes.push(['warn', text]), error: (text: string) => notes.push(['error', text]) };
    const store = await createSqliteStore({ path, log: log as unknown as Logger });
    const { entries } = await store.range({ prefix: '/key/' });
    const revision = await store.currentRevision();
    await store.close();
    return { notes, keys: entries.length, revision };
  }

  it('logs nothing when nothing is missing', async () => {
    assert.deepEqual(await opened(await killed(20)), { notes: [], keys: 20, revision: 20 });
  });

  const cuts: [what: string, cut: (wal: string) => void, why: RegExp][] = [
    [
      'in the middle of a frame',
      (wal) => truncateSync(wal, statSync(wal).size - 5_000),
      /\d+ bytes \(\d+ frames?\) at the end of its log/,
    ],
    [
      'between two transactions',
      (wal) => truncateSync(wal, endOfTransaction(wal, 5)),
      /its log was cut at the end of a transaction, or the file is an older copy/,
    ],
    ['to nothing', (wal) => truncateSync(wal, 0), /there was no log beside it/],
    ['away', (wal) => rmSync(wal), /there was no log beside it \(\S+-wal\)/],
    ['within its header', (wal) => truncateSync(wal, 20), /20 bytes at the end of its log/],
    [
      'and damaged in the middle',
      (wal) => overwrite(wal, Math.floor(statSync(wal).size / 2)),
      /\d+ bytes \(\d+ frames\) at the end of its log/,
    ],
    [
      'and zeroed from the middle on',
      (wal) => zeroFrom(wal, Math.floor(statSync(wal).size / 2)),
      /\d+ bytes \(\d+ frames\) at the end/,
    ],
  ];
  for (const [what, cut, why] of cuts) {
    it(`reports the acknowledged changes that are missing in a log cut ${what}, and uses no revision twice`, async () => {
      const path = await killed(20);
      cut(`${path}-wal`);
      const { notes, keys, revision } = await opened(path);
      assert.ok(keys < 20);
      assert.equal(notes.length, 1);
      const [level, text] = notes[0] ?? [];
      assert.equal(level, 'error');
      const range = keys === 19 ? 'revision 20' : `revisions ${keys + 1} to 20`;
      assert.ok(text?.includes(`changes that had been acknowledged are missing, ${range}: `), String(text));
      assert.match(text ?? '', why);
      assert.equal(revision, 21);
      await withStore(path, async (store) => {
        // A client that has seen the missing changes must list again.
        const watch = store.watch('/key/', 20, new AbortController().signal)[Symbol.asyncIterator]();
        await assert.rejects(watch.next(), CompactedError);
        assert.equal((await store.put('/key/new', bytes('v'))).revision, 22);
      });
      // It is reported only once.
      assert.deepEqual((await opened(path)).notes, []);
    });
  }

  it('ignores an incomplete end that was not acknowledged', async () => {
    const path = await killed(5);
    appendFileSync(`${path}-wal`, Buffer.alloc(3_000, 0x5a));
    const { notes, keys } = await opened(path);
    assert.equal(keys, 5);
    assert.match(notes[0]?.[1] ?? '', /3000 bytes \(1 frame\) at the end of its log .* nothing that was acknowledged is missing/);
    assert.equal(notes[0]?.[0], 'warn');
  });

  it('reports dropped frames when there is no record', async () => {
    const path = await killed(5);
    rmSync(`${path}-acknowledged`);
    truncateSync(`${path}-wal`, statSync(`${path}-wal`).size - 100);
    assert.match((await opened(path)).notes[0]?.[1] ?? '', /whether acknowledged changes were among them cannot be told/);
  });

  it('ignores frames from an earlier use of the log', async () => {
    const path = freshPath();
    await withStore(path, async (store) => {
      // More writes than the automatic checkpoint needs, after which the log starts again at its beginning.
      for (let n = 0; n < 1_500; n++) await store.put('/key/x', new Uint8Array(3_000));
      cpSync(path, `${path}.copy`);
      cpSync(`${path}-wal`, `${path}.copy-wal`);
      cpSync(`${path}-acknowledged`, `${path}.copy-acknowledged`);
    });
    const { notes, revision } = await opened(`${path}.copy`);
    assert.deepEqual([notes, revision], [[], 1_500]);
  });

  it('does not apply the log of a deleted database to a new one', async () => {
    const path = await killed(5);
    rmSync(path);
    const wal = readFileSync(`${path}-wal`);
    await assert.rejects(createSqliteStore({ path }), /is missing, but its log \S+-wal is there: nothing was changed/);
    assert.ok(wal.equals(readFileSync(`${path}-wal`)));
    rmSync(`${path}-wal`);
    // The database was moved away on purpose, so this is a new store.
    assert.deepEqual(await opened(path), { notes: [], keys: 0, revision: 0 });
  });

  for (const [what, left] of [
    ['in the middle', 0.5],
    ['by its last page', 0.99],
  ] as const) {
    it(`refuses a database file cut ${what}`, async () => {
      const path = freshPath();
      await withStore(path, async (store) => {
        for (let n = 0; n < 300; n++) await store.put(`/key/${n}`, new Uint8Array(2_000));
      });
      truncateSync(path, Math.floor(statSync(path).size * left));
      const before = readFileSync(path);
      await assert.rejects(createSqliteStore({ path }), (error) => error instanceof StoreError && error.code === 'corrupt');
      assert.ok(before.equals(readFileSync(path)));
    });
  }
});

/** The offset of the transaction after the first `count`. A frame with a database size in its header ends a transaction. */
function endOfTransaction(wal: string, count: number): number {
  const content = readFileSync(wal);
  const frameBytes = 24 + content.readUInt32BE(8);
  let left = count;
  for (let offset = 32; offset < content.length; offset += frameBytes) {
    if (content.readUInt32BE(offset + 4) !== 0 && --left === 0) return offset + frameBytes;
  }
  throw new Error('the log has fewer transactions');
}

function overwrite(path: string, offset: number): void {
  const content = readFileSync(path);
  writeFileSync(path, content.fill(0xa5, offset, offset + 64));
}

function zeroFrom(path: string, offset: number): void {
  const content = readFileSync(path);
  writeFileSync(path, content.fill(0, offset));
}
