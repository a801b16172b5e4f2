import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { nodeColumns } from './columns.ts';

describe('nodes', () => {
  it('show status, roles and what they run', () => {
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        ...metadata,
        labels: {
          'node-role.kubernetes.io/worker': '',
          'node-role.kubernetes.io/control-plane': '',
          'kubernetes.io/role': 'worker',
        },
      },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'Unknown' }],
        addresses: [
          { type: 'Hostname', address: 'h' },
          { type: 'InternalIP', address: '10.0.0.1' },
        ],
        nodeInfo: {
          kubeletVersion: 'v1.36.0',
          osImage: 'Debian',
          kernelVersion: '6.1',
          architecture: 'amd64',
          containerRuntimeVersion: 'containerd://1.6',
        },
      },
    } as unknown as Node;
    assert.deepEqual(row(nodeColumns, node), {
      Name: 'x',
      Status: 'NotReady,SchedulingDisabled',
      Roles: 'control-plane,worker',
      Age: '5m',
      Version: 'v1.36.0',
      'Internal-IP': '10.0.0.1',
      'External-IP': '<none>',
      'OS-Image': 'Debian',
      'Kernel-Version': '6.1 (amd64)',
      'Container-Runtime': 'containerd://1.6',
    });
  });

  it('that never reported are Unknown', () => {
    const cells = row(nodeColumns, { apiVersion: 'v1', kind: 'Node', metadata, spec: {} });
    assert.deepEqual(
      [cells['Status'], cells['Roles'], cells['OS-Image'], cells['Kernel-Version']],
      ['Unknown', '<none>', '<unknown>', '<unknown>'],
    );
  });
});
