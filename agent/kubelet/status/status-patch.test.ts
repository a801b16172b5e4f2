import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import { statusPatch } from './status-patch.ts';

describe('status patch', () => {
  const ready = { type: 'Ready', status: 'True' };
  const cases: [string, JsonObject, JsonObject, JsonObject | undefined][] = [
    [
      'is nothing when nothing changed',
      { phase: 'Running', conditions: [ready] },
      { conditions: [ready], phase: 'Running' },
      undefined,
    ],
    ['holds only what changed', { phase: 'Pending', hostIP: 'x' }, { phase: 'Running', hostIP: 'x' }, { phase: 'Running' }],
    ['sets to null what is gone', { reason: 'R' }, {}, { reason: null }],
    [
      'replaces plain lists whole',
      { containerStatuses: [{ name: 'a' }, { name: 'b' }] },
      { containerStatuses: [{ name: 'a' }] },
      { containerStatuses: [{ name: 'a' }] },
    ],
    [
      'holds only the conditions that changed',
      { conditions: [ready, { type: 'X', status: 'True' }] },
      {
        conditions: [
          { ...ready, status: 'False' },
          { type: 'X', status: 'True' },
        ],
      },
      { conditions: [{ type: 'Ready', status: 'False' }] },
    ],
    [
      'clears fields of a condition',
      { conditions: [{ ...ready, reason: 'R' }] },
      { conditions: [ready] },
      { conditions: [{ ...ready, reason: null }] },
    ],
    [
      'names what leaves a merged list',
      { podIPs: [{ ip: 'a' }] },
      { podIPs: [{ ip: 'b' }] },
      { podIPs: [{ ip: 'b' }, { $patch: 'delete', ip: 'a' }] },
    ],
  ];
  for (const [name, before, after, status] of cases) {
    it(name, () =>
      assert.deepEqual(
        statusPatch('u', before, after, { conditions: 'type', podIPs: 'ip' }),
        status === undefined ? undefined : { metadata: { uid: 'u' }, status },
      ),
    );
  }
});
