import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { conformanceMap, extensions } from './conformance-map.ts';

const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8');
/** Upstream's list, written from its `test/conformance/testdata/conformance.yaml`. */
const upstream = read('./conformance-names.txt').trimEnd().split('\n');
const mapped = Object.values(conformanceMap).flatMap((tests) => tests.map(([name]) => name));

describe("upstream's conformance tests", () => {
  it('have each a test of ours, or belong to what others extend', () => {
    assert.deepEqual([...mapped].sort(), upstream.filter((name) => !extensions.test(name)).sort());
    assert.equal(new Set(mapped).size, mapped.length);
    assert.equal(upstream.length, 131);
  });

  for (const [file, tests] of Object.entries(conformanceMap))
    it(`have their tests in ${file}`, () => {
      const source = read(`../../${file}`);
      for (const [, ours] of tests)
        assert.ok(
          ['`', "'", '"'].some((quote) => source.includes(`it(${quote}${ours}${quote}`)),
          `${file} has no test "${ours}"`,
        );
    });
});
