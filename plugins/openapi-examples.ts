/** Bodies that can be sent as they are, by the operation that takes them. */
export const examples: Record<string, Record<string, unknown>> = {
  startTask: {
    demo: { type: 'demo', input: { seconds: 30 }, labels: { order: '17' } },
    'bom-coverage': {
      type: 'bom-coverage',
      input: {
        bom: 'Reference,Value,Quantity\nR1 R2,10k,2\nU1,NE555,1\n',
        stock:
          'part_id,manufacturer_code,value,package,description,quantity,location\nP1,,10k,0603,Resistor,100,A1\n',
        boards: 10
      }
    },
    'link-check': { type: 'link-check', input: { urls: ['https://example.com/'] }, priority: 5 },
    later: { type: 'demo', input: { seconds: 5, steps: 10 }, delaySeconds: 3600 }
  },
  startTasks: {
    two: {
      tasks: [
        { type: 'demo', input: { seconds: 5 }, labels: { batch: 'b1' }, idempotencyKey: 'b1-1' },
        { type: 'demo', input: { seconds: 5 }, labels: { batch: 'b1' }, idempotencyKey: 'b1-2' }
      ]
    }
  },
  cancelTasks: { 'of a client': { filter: { labels: { order: '17' } } } },
  retryTasks: { 'failed demos': { filter: { type: 'demo', status: 'failed' }, limit: 100 } },
  deleteTasks: { 'old ones': { filter: { createdBefore: '2026-01-01T00:00:00.000Z' } } },
  startDrain: { 'with a reason': { reason: 'node maintenance' } }
}
