<%@ page language="java" %>
