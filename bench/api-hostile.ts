/**
 * Measures how long hostile request bodies block the API server's event loop, and how much memory they take. It runs one real
 * server in its own process and sends one request at a time. The goal: the loop is blocked for at most 100 ms per MB of body, and
 * for at most 100 ms by a smaller request.
 *
 * `npm run bench -- api-hostile [part of a name]`
 */
import { startApiServerProcess } from '#test/hostile/api-server.ts';
import { collectionPath, type HostileBody, hostileBodies, pathOf } from '#test/hostile/bodies.ts';
import { bodiesBelowLimits } from '#test/hostile/bodies-below-limits.ts';

const [, , , only = ''] = process.argv;
const aimMsPerMb = 100;
const server = await startApiServerProcess();
try {
  if (only === '') await creates();
  console.log('\n   loop ms  per MB   all ms   peak MB  status  body');
  let [misses, worst, worstName] = [0, 0, ''];
  for (const body of [...hostileBodies(1), ...bodiesBelowLimits(1)]) {
    if (!body.name.includes(only)) continue;
    const perMb = await measured(body);
    if (perMb > aimMsPerMb) misses++;
    if (perMb > worst) [worst, worstName] = [perMb, body.name];
  }
  if (only === '') await crowd();
  const { rssBytes, heapBytes } = await server.report(true);
  console.log(`\nat the end, after a collection: heap ${mb(heapBytes)} MB, resident ${mb(rssBytes)} MB`);
  if (only === '') await creates();
  console.log(`worst: ${worst.toFixed(0)} ms per MB (${worstName}); ${misses} above ${aimMsPerMb}`);
  if (misses > 0) process.exitCode = 1;
} finally {
  await server.stop();
}

/** @returns how long one body blocks the loop, in ms per MB of the body */
async function measured(hostile: HostileBody): Promise<number> {
  const { name, method, target, contentType, body, seed } = hostile;
  const path = collectionPath(target);
  if (seed !== undefined) await server.call('POST', path, JSON.stringify(seed), { 'content-type': 'application/json' });
  await server.report(true);
  const answer = await server.call(method, pathOf(hostile), body, { 'content-type': contentType });
  const { longestMs, peakBytes } = await server.report();
  for (const made of ['hostile', 'a']) await server.call('DELETE', `${path}/${made}?gracePeriodSeconds=0`);
  await server.call('PATCH', `${path}/a`, '{"metadata":{"finalizers":null}}', { 'content-type': 'application/merge-patch+json' });
  await server.call('PATCH', `${path}/hostile`, '{"metadata":{"finalizers":null}}', {
    'content-type': 'application/merge-patch+json',
  });
  const perMb = longestMs / Math.max(1, body.length / 1e6);
  const columns = [
    longestMs.toFixed(0).padStart(10),
    perMb.toFixed(0).padStart(7),
    answer.ms.toFixed(0).padStart(8),
    mb(peakBytes).padStart(9),
  ];
  console.log(
    `${columns.join(' ')} ${String(answer.status).padStart(7)}  ${name} (${mb(body.length)} MB)${perMb <= aimMsPerMb ? '' : '   <── too long'}`,
  );
  return perMb;
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
