import type { Clock } from '../clock.ts'
import type { LaneOptions } from './lane.ts'
import type { SinkPlan } from './notify-messages.ts'
import type { Producer } from './ocsf/mapped.ts'
import { FileSink } from './sinks/file-sink.ts'
import { OtlpSink } from './sinks/otlp-sink.ts'
import type { Sink } from './sinks/sink.ts'
import { SyslogSink } from './sinks/syslog-sink.ts'
import { WebhookSink } from './sinks/webhook-sink.ts'

/** Only what answers can refuse a message; a file or a syslog server is there or not, and what waits for it costs nothing. */
export function laneOf(plan: SinkPlan, clock: Clock, producer: Producer): LaneOptions {
  const { name, events, format, content } = plan
  const giveUp =
    plan.kind === 'webhook' || plan.kind === 'otlp'
      ? { giveUp: { attempts: plan.attempts, afterMs: plan.giveUpMs } }
      : {}
  return { name, events, format, content, ...giveUp, sink: sinkOf(plan, clock, producer) }
}

function sinkOf(plan: SinkPlan, clock: Clock, producer: Producer): Sink {
  switch (plan.kind) {
    case 'file':
      return new FileSink(plan)
    case 'syslog':
      return new SyslogSink(plan)
    case 'webhook':
      return new WebhookSink({ ...plan, clock })
    case 'otlp':
      return new OtlpSink({ ...plan, clock, producer })
  }
}
