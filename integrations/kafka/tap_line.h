// One record as a line for people: "12:00:01.123 shop-1 access | message".
#pragma once

#include <string>

#include "integrations/kafka/reader.h"
#include "shipper/record/record_view.h"

namespace longshore::kafka {

/// Appends the line of `view`, newline included; with `colours` its head has the source's own.
void append_line(const shipper::RecordView& view, bool colours, std::string& out);

/// The same for a record without an envelope: with its place in Kafka instead of the time.
void append_raw_line(const ReadRecord& record, std::string& out);

}  // namespace longshore::kafka
