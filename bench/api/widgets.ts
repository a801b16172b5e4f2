/** A custom resource of some 2 KB, for the bench. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerProcess } from '#test/hostile/server-process.ts';

/** Where they are. */
export const widgets = '/apis/bench.example/v1/namespaces/default/widgets';

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.bench.example' },
  spec: {
    group: 'bench.example',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['size'],
                properties: {
                  size: { type: 'integer', minimum: 0 },
                  mode: { type: 'string', default: 'plain', enum: ['plain', 'fancy'] },
                  parts: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: {
                        name: { type: 'string' },
                        text: { type: 'string', maxLength: 1000 },
                        weight: { type: 'integer' },
                      },
                    },
                  },
                },
              },
              status: { type: 'object', properties: { ready: { type: 'boolean' } } },
            },
          },
        },
      },
    ],
  },
};

/** Makes the definition. Resolves when the resource is served. */
export async function defineWidgets(server: ServerProcess): Promise<void> {
  const { status, text } = await server.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  if (status !== 201) throw new Error(text);
  while ((await server.request('GET', widgets)).status !== 200) await delay(100);
}

/** The body of one of them; `{i}` stands for its number. */
export const widget = (text: string): string =>
  JSON.stringify({
    apiVersion: 'bench.example/v1',
    kind: 'Widget',
    metadata: { name: 'widget-{i}', labels: { app: 'bench' } },
    spec: {
      size: 3,
      parts: Array.from({ length: 8 }, (_, index) => ({ name: `part-${index}`, text: text.repeat(20), weight: index })),
    },
  });
