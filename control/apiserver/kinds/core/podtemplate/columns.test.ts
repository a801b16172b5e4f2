import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PodTemplate } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { template } from '../../template.testing.ts';
import { podTemplateColumns } from './columns.ts';

it('columns of a pod template', () => {
  const object: PodTemplate = { apiVersion: 'v1', kind: 'PodTemplate', metadata, template };
  assert.deepEqual(row(podTemplateColumns, object), { Name: 'x', Containers: 'c', Images: 'nginx:1', 'Pod Labels': 'app=web' });
});
