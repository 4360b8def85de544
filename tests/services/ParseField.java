package org.elasticsearch.common;

/** Moved to another package in 7.15; the analysis module of 7.10.2 looks for it here. */
public class ParseField extends org.elasticsearch.xcontent.ParseField {
    public ParseField(String name, String... deprecatedNames) {
        super(name, deprecatedNames);
    }
}
