/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'customresourcedefinitions.apiextensions.k8s.io': {
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: {
        plural: 'widgets',
        singular: 'widget',
        kind: 'Widget',
        listKind: 'WidgetList',
        shortNames: ['wd'],
        categories: ['all'],
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          deprecated: true,
          deprecationWarning: 'use v2',
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: { type: 'object', properties: { size: { type: 'integer', default: 1 }, colour: { type: 'string' } } },
                status: { type: 'object', properties: { size: { type: 'integer' } } },
              },
            },
          },
          subresources: {
            status: {},
            scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size', labelSelectorPath: '.status.selector' },
          },
          additionalPrinterColumns: [{ name: 'Size', type: 'integer', format: 'int32', jsonPath: '.spec.size', priority: 1 }],
          selectableFields: [{ jsonPath: '.spec.colour' }],
        },
        { name: 'v2', served: true, storage: false, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
      conversion: {
        strategy: 'Webhook',
        webhook: {
          conversionReviewVersions: ['v1'],
          clientConfig: { service: { namespace: 'ns', name: 'convert', path: '/x', port: 443 }, caBundle: 'eA==' },
        },
      },
    },
    status: {
      storedVersions: ['v1'],
      acceptedNames: { plural: 'widgets', kind: 'Widget' },
      conditions: [{ type: 'Established', status: 'True' }],
    },
  },
};
