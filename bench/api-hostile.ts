/**
 * Measures how long hostile request bodies, requests for large objects and long selectors block the API server's event loop (in CPU time of
 * its thread), and how much memory they take. It runs one real server in its own process and sends one request at a time. The goal: the
 * loop is blocked for at most 100 ms per MB of the request, and for at most 100 ms by a smaller one. It ends with PASS or FAIL and the
 * status 0 or 1.
 *
 * `npm run bench -- api-hostile [part of a name]`
 */
import { type Answer, startApiServerProcess } from '#test/hostile/api-server.ts';
import { collectionPath, type HostileBody, hostileBodies, pathOf } from '#test/hostile/bodies.ts';
import { bodiesBelowLimits } from '#test/hostile/bodies-below-limits.ts';
import { type LongSelector, longSelectors } from '#test/hostile/long-selectors.ts';

const [, , , only = ''] = process.argv;
const aimMsPerMb = 100;
const figures: { name: string; perMb: number }[] = [];
const server = await startApiServerProcess();
try {
  if (only === '') await creates();
  console.log('\n   loop ms  per MB   all ms   peak MB  status  body');
  for (const body of [...hostileBodies(1), ...bodiesBelowLimits(1)]) if (body.name.includes(only)) await measured(body);
  for (const body of bodiesBelowLimits(1))
    if (body.name.endsWith(': create') && body.name.includes(only)) await measureAnswers(body);
  for (const selector of longSelectors(1)) if (selector.name.includes(only)) await measureSelector(selector);
  if (only === '') await crowd();
  const { rssBytes, heapBytes } = await server.report(true);
  console.log(`\nat the end, after a collection: heap ${mb(heapBytes)} MB, resident ${mb(rssBytes)} MB`);
  if (only === '') await creates();
  const ordered = figures.toSorted((a, b) => b.perMb - a.perMb);
  const misses = ordered.filter(({ perMb }) => perMb > aimMsPerMb);
  console.log(`\nthe worst of ${ordered.length} requests, in ms per MB (aim: at most ${aimMsPerMb}):`);
  for (const { perMb, name } of ordered.slice(0, Math.max(10, misses.length)))
    console.log(`${perMb.toFixed(0).padStart(6)}  ${name}`);
  const middle = ordered[Math.floor(ordered.length / 2)]?.perMb ?? 0;
  console.log(
    `${misses.length === 0 ? 'PASS' : 'FAIL'}: ${misses.length} of ${ordered.length} above ${aimMsPerMb} ms per MB, median ${middle.toFixed(0)}`,
  );
  if (misses.length > 0) process.exitCode = 1;
} finally {
  await server.stop();
}

async function measured(hostile: HostileBody): Promise<void> {
  const { name, method, target, contentType, body, seed } = hostile;
  const path = collectionPath(target);
  if (seed !== undefined) await server.call('POST', path, JSON.stringify(seed), { 'content-type': 'application/json' });
  await measureCall(name, body.length, () => server.call(method, pathOf(hostile), body, { 'content-type': contentType }));
  await remove(path);
}

async function remove(path: string): Promise<void> {
  for (const made of ['hostile', 'a']) {
    await server.call('DELETE', `${path}/${made}?gracePeriodSeconds=0`);
    await server.call('PATCH', `${path}/${made}`, '{"metadata":{"finalizers":null}}', {
      'content-type': 'application/merge-patch+json',
    });
  }
}

/** Asks for the object in every format, watches it be deleted. */
async function measureAnswers(hostile: HostileBody): Promise<void> {
  const path = collectionPath(hostile.target);
  const name = hostile.name.replace(/: create$/, '');
  await server.call('POST', path, hostile.body, { 'content-type': hostile.contentType });
  const get = (query: string, accept: string) => () => server.call('GET', `${path}${query}`, undefined, { accept });
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const protobuf = 'application/vnd.kubernetes.protobuf';
  await measureCall(`${name}: GET as JSON`, 0, get('/hostile', 'application/json'));
  await measureCall(`${name}: GET as indented JSON`, 0, get('/hostile?pretty=true', 'application/json'));
  await measureCall(`${name}: GET as YAML`, 0, get('/hostile', 'application/yaml'));
  await measureCall(`${name}: GET as Table`, 0, get('/hostile', table));
  await measureCall(`${name}: GET as protobuf`, 0, get('/hostile', protobuf));
  await measureCall(`${name}: list as protobuf`, 0, get('', protobuf));
  await measureCall(`${name}: watch as protobuf`, 0, get('?watch=true&resourceVersion=0&timeoutSeconds=1', protobuf));
  await measureCall(`${name}: dry run of its deletion`, 0, () => server.call('DELETE', `${path}/hostile?dryRun=All`));
  await measureCall(`${name}: deletion`, 0, () => server.call('DELETE', `${path}/hostile?gracePeriodSeconds=0`));
  await remove(path);
}

async function measureSelector({ name, query }: LongSelector): Promise<void> {
  await measureCall(name, query.length, () => server.call('GET', `${collectionPath('configmaps')}?${query}`));
}

/** Measures one request of a size in bytes. */
async function measureCall(name: string, bytes: number, call: () => Promise<Answer>): Promise<void> {
  await server.report(true);
  const answer = await call();
  const { longestMs, peakBytes } = await server.report();
  const perMb = longestMs / Math.max(1, bytes / 1e6);
  figures.push({ name, perMb });
  const columns = [
    longestMs.toFixed(0).padStart(10),
    perMb.toFixed(0).padStart(7),
    answer.ms.toFixed(0).padStart(8),
    mb(peakBytes).padStart(9),
  ];
  console.log(
    `${columns.join(' ')} ${String(answer.status).padStart(7)}  ${name} (${mb(bytes)} MB)${perMb <= aimMsPerMb ? '' : '   <── too long'}`,
  );
}

/** Sends a hundred large bodies at a time. */
async function crowd(): Promise<void> {
  const data = { a: 'x'.repeat(900_000), b: 'y'.repeat(90_000) };
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { generateName: 'crowd-' },
    data: { ...data, c: 'z'.repeat(2_000_000) },
  });
  await server.report(true);
  const startMs = performance.now();
  const answers = await Promise.all(
    Array.from({ length: 100 }, () =>
      server.call('POST', collectionPath('configmaps'), text, { 'content-type': 'application/json' }),
    ),
  );
  const { longestMs, peakBytes } = await server.report();
  const statuses = [...new Set(answers.map(({ status }) => status))].join(', ');
  console.log(
    `100 bodies of ${mb(text.length)} MB at a time: ${(performance.now() - startMs).toFixed(0)} ms, loop ${longestMs.toFixed(0)} ms, peak ${mb(peakBytes)} MB, answers ${statuses}`,
  );
}

/** Creates objects with small bodies. They must not become slower. */
async function creates(): Promise<void> {
  const count = 1000;
  const startMs = performance.now();
  for (let done = 0; done < count; done += 50) {
    await Promise.all(
      Array.from({ length: 50 }, () =>
        server.call(
          'POST',
          collectionPath('configmaps'),
          JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'small-' }, data: { a: 'b' } }),
          {
            'content-type': 'application/json',
          },
        ),
      ),
    );
  }
  console.log(`small ConfigMaps: ${((count / (performance.now() - startMs)) * 1000).toFixed(0)} creates/s`);
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(2);
}
